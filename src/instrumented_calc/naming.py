"""Names given by users: near matches for misspelt ones, and objects given as `package.module:name`."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return `did you mean NAME?` for the nearest known name; empty if none is near.

    Args:
        name: The name as the user gave it.
        known: All valid names.
        cutoff: The least similarity, from 0 to 1, as difflib measures it.
    """
    near = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"did you mean {near[0]}?" if near else ""


def import_object(spec: str) -> Any:
    """Import `package.module:name`; the working directory is searched as well.

    Raises:
        Exception: Whatever the import raises.
    """
    module, _, name = spec.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return getattr(import_module(module), name)
