"""Just-in-time compilation by JAX, charged to the call that waited for it.

JAX notifies its monitoring listeners of every compilation in the compiling thread, at the end of each stage:
tracing, lowering, XLA. A call without compilation emits nothing and pays nothing.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import Any

from instrumented_calc.capture.open_calls import active, call_of, extras_of

STAGES = "/jax/core/compile/"
OPERATIONS = "operations"
SECOND_NS = 1_000_000_000

_lock = threading.Lock()
_open: set[JaxCompileProbe] = set()
_listening = False


class JaxCompileProbe:
    """Listens to JAX during a run, if JAX is loaded at the start of the run.

    All runs of a process share one listener, which charges the call open in its thread and otherwise does
    nothing.
    """

    def __init__(self) -> None:
        global _listening  # noqa: PLW0603 - JAX's listeners are global, too
        monitoring = sys.modules.get("jax.monitoring")
        if monitoring is None:
            return
        with _lock:
            _open.add(self)
            if not _listening:
                monitoring.register_event_duration_secs_listener(_listen)
                _listening = True

    def close(self) -> None:
        """Stop listening, if no other run is recorded."""
        global _listening  # noqa: PLW0603 - JAX's listeners are global, too
        with _lock:
            if self not in _open:
                return
            _open.remove(self)
            # An old JAX cannot unregister: its listener stays, and is not registered again.
            unregister = getattr(sys.modules["jax.monitoring"], "unregister_event_duration_listener", None)
            if not _open and unregister is not None:
                _listening = False
                with contextlib.suppress(AssertionError, ValueError):  # the program has cleared them all
                    unregister(_listen)


class CompileTimes(dict[str, int]):
    """Compilation time by function, in ns, each excluding nested compilations."""

    __slots__ = ("_ended",)

    def __init__(self) -> None:
        super().__init__()
        self._ended: list[tuple[int, int]] = []

    def add(self, function: str, elapsed: int, end: int) -> None:
        """Add a stage that has just ended.

        While a function is traced, JAX compiles the operations that it can execute immediately: stages that
        ended after this one began are parts of it, and already counted.

        Args:
            function: The compiled function.
            elapsed: Duration of the stage in ns, inner ones included.
            end: When it ended, in ns.
        """
        inner = 0
        while self._ended and self._ended[-1][0] > end - elapsed:
            inner += self._ended.pop()[1]
        self._ended.append((end, elapsed))
        self[function] = self.get(function, 0) + max(elapsed - inner, 0)


def _listen(event: str, seconds: float, **details: Any) -> None:
    stack = active.stack
    if not stack or not event.startswith(STAGES):
        return
    call = call_of(stack[-1])
    times = extras_of(call).setdefault("compile_ns", CompileTimes())
    times.add(_name(str(details.get("fun_name", "?"))), int(seconds * SECOND_NS), call.maker.clock())


def _name(function: str) -> str:
    """Return a function's name, or `operations` for those that JAX compiles to run a single operation.

    They come by the dozen when arrays of a new shape are converted, indexed or compared outside jitted
    functions, and their names (`squeeze`, `_argmax`) carry no information about the model.
    """
    name = function.removeprefix("jit(").removesuffix(")")
    jax = sys.modules["jax"]
    own = name.startswith("_") or any(callable(getattr(each, name, None)) for each in (jax.lax, jax.numpy))
    return OPERATIONS if own else name
