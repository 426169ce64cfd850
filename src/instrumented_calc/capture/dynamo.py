"""What torch.compile (Dynamo) does in this process, if the program has loaded it."""

from __future__ import annotations

import sys
from typing import Any

DYNAMO = "torch._dynamo"


def callbacks() -> Any:
    """Return what calls functions when a compilation starts and ends, or None.

    It is absent while Dynamo is being loaded, and before torch 2.3.
    """
    return getattr(sys.modules.get(f"{DYNAMO}.callback"), "callback_handler", None)


def has_compiled() -> bool:
    """Return whether torch.compile was given any code: it may be compiling, or has compiled it.

    After `torch._dynamo.reset()` there is none.
    """
    frames = sys.modules.get(f"{DYNAMO}.convert_frame")
    codes = getattr(frames, "input_codes", None)
    return frames is not None and bool(getattr(codes, "seen", True))  # unknown to this version: the worst
