"""Small readings of the process, one per file, each absent if it is unavailable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from instrumented_calc.journal.records import Call


class Probe(Protocol):
    """Periodically reads a quantity of the process or its devices."""

    def sample(self, row: Call) -> None:
        """Set the fields of a row that it can read."""
        ...

    def close(self) -> None:
        """Release open resources."""
        ...


class Listener(Protocol):
    """Receives events of the process, from creation until it is closed."""

    def close(self) -> None:
        """Stop listening."""
        ...


@runtime_checkable
class Latecomer(Listener, Protocol):
    """A listener to a library that may be loaded, or change, during the run."""

    def look(self) -> None:
        """Check whether the library is loaded; called ten times per second by the journal's thread."""
        ...
