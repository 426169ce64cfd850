"""Which parts of one call ran inside which, and for how long."""

from __future__ import annotations

from instrumented_calc.capture.open_calls import SEPARATOR


class CallTree:
    """Receives the parts of one call in the order in which they run.

    It takes the place of a device's marks, so that stand-ins need no code for it.

    Attributes:
        parents: The part around each part when it first ran; empty for the calculator itself.
        entries: How often each part ran.
    """

    def __init__(self) -> None:
        self.parents: dict[str, str] = {}
        self.entries: dict[str, int] = {}
        self._open = [""]

    def enter(self, name: str) -> bool:
        """Note the start of a part; the names of the calculators around it are left out."""
        name = name.rpartition(SEPARATOR)[2]
        self.parents.setdefault(name, self._open[-1])
        self.entries[name] = self.entries.get(name, 0) + 1
        self._open.append(name)
        return True

    def leave(self) -> None:
        """Note the end of the part that was entered last."""
        self._open.pop()
