"""What torch.compile has compiled in this process, and when it starts to compile.

Dynamo guards the modules that it traces: a stand-in inside one would be compiled in, break the graph or cause
a recompilation. So stand-ins inside torch modules give way before it compiles, and stay away from then on.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.integration import Part

REASON = "torch.compile is in use: parts inside torch modules are not timed"
COMPILED_MODULE = "OptimizedModule"


def is_exposed(part: Part) -> bool:
    """Return whether Dynamo could see a part's stand-in: one inside a torch module that is not compiled."""
    nn = getattr(sys.modules.get("torch"), "nn", None)
    kind = type(part.owner)
    if nn is None or part.attribute == "_compiled_call_impl" or kind.__name__ == COMPILED_MODULE:
        return False
    return issubclass(kind, nn.Module) and not hasattr(part.owner.forward, "_torchdynamo_orig_callable")


def exists() -> bool:
    """Return whether torch.compile has compiled any code that is still in use."""
    frames: Any = sys.modules.get("torch._dynamo.convert_frame")
    if frames is None:
        return False
    try:
        return bool(frames.output_codes.seen_ids)
    except AttributeError:  # unknown to this version: assume the worst
        return True


def listen(started: Callable[..., None]) -> None:
    """Have a function called when torch.compile starts to compile, if it is loaded."""
    callback: Any = sys.modules.get("torch._dynamo.callback")
    if callback is not None:
        callback.callback_handler.register_start_callback(started)


def stop_listening(started: Callable[..., None]) -> None:
    """Undo `listen`. Calling it twice is harmless."""
    callback: Any = sys.modules.get("torch._dynamo.callback")
    if callback is not None:
        with suppress(ValueError):
            callback.callback_handler.remove_start_callback(started)
