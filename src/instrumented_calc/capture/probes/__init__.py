"""Small readings of the process, each in a file of its own and each absent where it cannot be had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

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


@runtime_checkable
class Latecomer(Listener, Protocol):
    """A listener to a library that may be loaded, or change, while a run is recorded."""

    def look(self) -> None:
        """See whether the library is there by now; called ten times a second, from the journal's thread."""
        ...
