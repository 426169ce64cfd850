"""Find calculations of a geometry that was calculated before, which ASE's cache did not prevent.

New calculators, a calculator shared by several Atoms, atoms that are displaced and restored, and `reset()`
lead to them; `system_changes` then names changes. Fingerprints of the geometries tell. They are not taken at
every call, but in windows: at the start, every few seconds, and one after the other while a step takes
several calls, a calculator is new, or repeats were found; altogether in a thousandth of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.foreign import own_faults_dropped

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.calls.lane import LiveLane
    from instrumented_calc.capture.open_calls import Entry

WINDOW = 64  # calls; a band of 16 images, calculated twice, is seen as such
LONGEST_NS = 20_000_000  # time for fingerprints in one window
SHARE = 1000  # at most a thousandth of the time
PAUSE_NS = 10_000_000_000  # after a window without repeats
REMEMBERED = 1024  # geometries
# What a calculation of ASE depends on, besides cell and periodicity. Momenta do not matter.
ARRAYS = ("numbers", "positions", "initial_charges", "initial_magmoms")
DIGITS = 4  # of an energy in eV that is reproduced: GPUs add numbers in any order


class RepeatedGeometries:
    """Finds the repeats of one run.

    Args:
        clock: The run's clock, in ns.

    Attributes:
        left: Calls left in the current window: `note` is called while there are any.
    """

    __slots__ = ("_any", "_began", "_clock", "_found", "_invited", "_own", "_spent", "left")

    def __init__(self, clock: Callable[[], int]) -> None:
        self.left = WINDOW
        self._clock = clock
        self._began: int | None = None
        self._spent = 0
        self._found = self._invited = False
        self._own: dict[tuple[int, int], int] = {}
        self._any: dict[tuple[int, float | None], int] = {}

    def note(self, lane: LiveLane, entry: Entry, atoms: Any, energy: Any) -> None:
        """Take the fingerprint of a call's geometry; a repeat is noted in the call's row.

        Args:
            lane: The calculator's lane.
            entry: The call's entry.
            atoms: The calculated atoms.
            energy: The energy in eV, or UNSET.
        """
        began = self._clock()
        if self._began is None:
            self._began = began
        self.left -= 1
        with own_faults_dropped():  # not an Atoms
            self._look_up(lane, entry, fingerprint(atoms), energy)
        ended = self._clock()
        self._spent += ended - began
        if self.left <= 0 or self._spent > LONGEST_NS:
            self.left = 0
            self._begin_next(ended)

    def _look_up(self, lane: LiveLane, entry: Entry, geometry: int, energy: Any) -> None:
        lane.fingerprints += 1
        own = (lane.number, geometry)
        # Models of a committee calculate the same geometries, but other energies.
        alike = (geometry, None if energy is UNSET else round(energy, DIGITS))
        earlier = self._own.get(own)
        if earlier is None:
            earlier = self._any.get(alike)
        if earlier is not None:
            self._found = True
            if entry.extras is UNSET:
                entry.extras = {}
            entry.extras["repeats"] = earlier
        if len(self._own) >= REMEMBERED:
            self._own.clear()
            self._any.clear()
        self._own[own] = self._any[alike] = entry.index

    def invite(self) -> None:
        """Look at the next calls: a step has taken several, or a calculator is new."""
        if not self._invited:
            self._invited = True
            self.reopen(self._clock())

    def reopen(self, now: int) -> None:
        """Begin the next window, if the last one is over and the next is due.

        Args:
            now: Time on the clock, in ns.
        """
        if not self.left and self._begin_next(now):
            self._own.clear()  # calls in between were not inspected
            self._any.clear()

    def _begin_next(self, now: int) -> bool:
        pause = SHARE * self._spent
        if not self._found and not self._invited:
            pause = max(pause, PAUSE_NS)
        if self._began is not None and now - self._began < pause:
            return False
        self.left = WINDOW
        self._began, self._spent = None, 0
        self._found = self._invited = False
        return True


def fingerprint(atoms: Any) -> int:
    """Return 64 bits that depend on all bytes of the geometry.

    Python's own hash reads a copy of 864 atoms in 6 us. Hashes that read arrays in place are slower: crc32
    takes 17 us, SHA-1 32 us, BLAKE2 81 us.

    Args:
        atoms: ASE atoms.

    Raises:
        AttributeError: These are not ASE atoms.
    """
    arrays = atoms.arrays
    held = [arrays[name].tobytes() for name in ARRAYS if name in arrays]
    return hash((*held, atoms.cell.array.tobytes(), atoms.pbc.tobytes()))
