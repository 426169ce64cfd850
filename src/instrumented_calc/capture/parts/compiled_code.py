"""Keeps stand-ins out of the way of torch.compile.

Dynamo guards the modules that it traces: a stand-in inside one would be compiled in, break the graph or cause
a recompilation. So stand-ins inside torch modules give way before it compiles, and stay away from then on.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.dynamo import DYNAMO, callbacks
from instrumented_calc.foreign import own_faults_dropped

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.integration import Part

REASON = "torch.compile is in use, which must not meet timers inside torch modules"
COMPILED_MODULE = "OptimizedModule"


def is_exposed(part: Part) -> bool:
    """Return whether Dynamo could see a part's stand-in: one inside a torch module that is not compiled."""
    nn = getattr(sys.modules.get("torch"), "nn", None)
    kind = type(part.owner)
    if nn is None or part.attribute == "_compiled_call_impl" or kind.__name__ == COMPILED_MODULE:
        return False
    return issubclass(kind, nn.Module) and not hasattr(part.owner.forward, "_torchdynamo_orig_callable")


class CompileWatch:
    """Tells when torch.compile starts to compile, or is about to be loaded, while it is in place.

    Args:
        on_compile: Called before anything is compiled.
        on_load: Called before Dynamo is imported, which may be to compile at once.
    """

    def __init__(self, on_compile: Callable[[], None], on_load: Callable[[], None]) -> None:
        self._on_compile = on_compile
        self._on_load = on_load

    def begin(self) -> bool:
        """Start to watch; return whether that is possible."""
        if DYNAMO not in sys.modules:
            sys.meta_path.insert(0, self)
            return True
        handler = callbacks()
        if handler is None:  # still being loaded, or older than torch 2.3
            return False
        handler.register_start_callback(self._compiling)
        return True

    def end(self) -> None:
        """Stop watching. Calling it twice is harmless."""
        with suppress(ValueError):
            sys.meta_path.remove(self)
        handler = callbacks()
        if handler is not None:
            with suppress(ValueError):
                handler.remove_start_callback(self._compiling)

    def _compiling(self, *_: Any) -> None:
        with own_faults_dropped():
            self._on_compile()

    def find_spec(self, name: str, *_: Any) -> None:
        """Find no module, as one of Python's finders, but note the name."""
        if name == DYNAMO:
            with own_faults_dropped():
                self._on_load()
