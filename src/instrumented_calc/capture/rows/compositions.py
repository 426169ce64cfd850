"""Numbers the compositions that one calculator computes in turn, as in a screening loop."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.encoding import valid_text
from instrumented_calc.journal.records import ComputedSystem
from instrumented_calc.journal.vocabulary import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_SYSTEMS = 200  # formulas; all further ones share a number
LONGEST_FORMULA = 200
BEYOND = b"beyond"


class Compositions:
    """The compositions of one run: how many atoms of each element a structure has.

    Args:
        on_new: Receives the record of each new one.
    """

    __slots__ = ("_numbers", "_on_new")

    def __init__(self, on_new: Callable[[ComputedSystem], None]) -> None:
        self._on_new = on_new
        self._numbers: dict[bytes, int] = {}

    def number_of(self, atoms: Any) -> int | None:
        """Return the number of a structure's composition; all beyond the limit have the same.

        A few microseconds if it is known, up to a thousand atoms.

        Args:
            atoms: The structure.

        Returns:
            The number; None if the atoms have no atomic numbers.
        """
        numpy: Any = sys.modules.get("numpy")
        try:
            # Atomic numbers fit; larger ones of a user's own must not allocate memory.
            counts: bytes = numpy.bincount(atoms.numbers.astype(numpy.uint8)).tobytes()
            known = self._numbers.get(counts)
            return self._new(counts, atoms) if known is None else known
        except Exception as error:  # not an Atoms
            if is_foreign(error):
                raise
            return None

    def _new(self, counts: bytes, atoms: Any) -> int:
        number = len(self._numbers)
        if number < MOST_SYSTEMS:
            formula = valid_text(str(atoms.get_chemical_formula())[:LONGEST_FORMULA])
            self._numbers[counts] = number
            self._on_new(ComputedSystem(number, formula))
        elif number == MOST_SYSTEMS:  # the first one beyond
            self._numbers[BEYOND] = number
            self._on_new(ComputedSystem(number, OTHER))
        return min(number, MOST_SYSTEMS)
