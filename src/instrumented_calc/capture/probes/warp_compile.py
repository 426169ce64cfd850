"""Compilation of kernels by Warp, charged to the call that waited for it.

Warp compiles a module of kernels when the first of them is launched, and keeps the result on disk. The two
functions by which it does so are replaced during a run; a call without compilation pays nothing.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.open_calls import active, call_of, extras_of

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "Warp kernels"
MODULE = "warp._src.build"
FUNCTIONS = ("build_cpu", "build_cuda")

_lock = threading.Lock()
_open: set[WarpCompileProbe] = set()
_replaced: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {}


class WarpCompileProbe:
    """Times Warp's compilation during a run, once Warp is loaded. All runs of a process share the timers."""

    def __init__(self) -> None:
        with _lock:
            _open.add(self)
        self.look()

    def look(self) -> None:
        """Start timing, if Warp is now loaded."""
        module = sys.modules.get(MODULE)
        if module is None or _replaced:
            return
        with _lock:
            if not _open or _replaced:
                return
            for name in FUNCTIONS:
                real = vars(module).get(name)
                if real is not None:
                    _replaced[name] = real, _timed(real)
                    setattr(module, name, _replaced[name][1])

    def close(self) -> None:
        """Restore Warp's functions, if no other run is recorded."""
        with _lock:
            _open.discard(self)
            if _open:
                return
            for name, (real, timed) in _replaced.items():
                module = sys.modules.get(MODULE)
                if module is not None and vars(module).get(name) is timed:
                    setattr(module, name, real)
            _replaced.clear()


def _timed(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def timed(*args: Any, **kwargs: Any) -> Any:
        stack = active.stack
        if not stack:
            return real(*args, **kwargs)
        call = call_of(stack[-1])
        start = call.maker.clock()
        try:
            return real(*args, **kwargs)
        finally:
            times = extras_of(call).setdefault("compile_ns", {})
            times[NAME] = times.get(NAME, 0) + call.maker.clock() - start

    return timed
