"""Small readings of the process, each in a file of its own and each absent where it cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from instrumented_calc.journal.records import Call


class Probe(Protocol):
    """Reads something of the process or its devices, now and then."""

    def sample(self, row: Call) -> None:
        """Fill the fields of a row that it knows."""
        ...

    def close(self) -> None:
        """Let go of what it holds open."""
        ...


class Listener(Protocol):
    """Is told of what happens in the process, from when it is made until it is closed."""

    def close(self) -> None:
        """Stop listening."""
        ...
