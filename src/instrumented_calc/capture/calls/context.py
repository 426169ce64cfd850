"""Fields of a row that consecutive calls of a lane share."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Context(Struct, frozen=True):
    """The carried fields of a row: written to the journal only when they change."""

    lane: int
    phase: int | None
    n_atoms: int | None
    properties: Any
    changes: Any
    system: int | None = None
