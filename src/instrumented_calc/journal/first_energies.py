"""Energies and forces of a run's first geometries, which the timing analysis does not need.

They show whether two runs computed the same before their speeds are compared. Only the beginning of a
journal is read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.journal.columns import ABSENT
from instrumented_calc.journal.decoding import decoder
from instrumented_calc.journal.lines import CALL, RECORD, open_lines
from instrumented_calc.journal.records import State
from instrumented_calc.journal.row_types import row_type
from instrumented_calc.journal.run_start import BEGINNING, UNDECODABLE

if TYPE_CHECKING:
    import os

FRAMES = 200
FIRST = (-1, -1, -1, 0)
UNKNOWN = -2  # lane and phase after lines were lost
STATE = RECORD + b'state",'


@dataclass(frozen=True, slots=True)
class Forces:
    """What a journal holds of the forces of one call.

    Attributes:
        norm_ev_a: Root of the sum of the squared forces, eV/A.
        largest_ev_a: Largest force on an atom, eV/A.
        weighted_ev_a: Sum of the components with fixed weights, eV/A; None in journals of older versions.
    """

    norm_ev_a: float
    largest_ev_a: float
    weighted_ev_a: float | None


@dataclass(frozen=True, slots=True)
class Frame:
    """One computed geometry.

    Attributes:
        place: Its place in the run: lane, phase, step and, if several geometries belong to one step or no
            driver counts steps, a counter. The very first is `FIRST`, whatever requested it.
        step: Steps completed by the driver; None if no driver counts them.
        n_atoms: Atoms; None if not recorded.
        energy_ev: Potential energy, eV; None if it was not finite.
        index: Number of the call.
        forces: Its forces; None if the journal does not describe them.
    """

    place: tuple[int, int, int, int]
    step: int | None
    n_atoms: int | None
    energy_ev: float | None
    index: int = 0
    forces: Forces | None = None


_Row = row_type(
    "EnergyRow",
    ("index", "lane", "phase", "parent", "n_atoms", "changes", "step", "energy_ev", "failure"),
)


def read_energies(path: str | os.PathLike[str], most: int = FRAMES) -> tuple[Frame, ...]:
    """Read the energies of a run's first geometries, and what is known of their forces.

    Nested calls, failed ones, those without changes and those without a recorded energy give no frame.

    Args:
        path: A journal.
        most: Maximum number to read.

    Raises:
        JournalReadError: If the file cannot be read.
    """
    reading = _FrameReader()
    with open_lines(path) as lines:
        for number, line in lines.lines():
            if line.startswith(CALL):
                reading.add(line)
            elif line.startswith(STATE):
                reading.add_state(line)
            elif line.startswith(BEGINNING) and reading.frames:
                break  # another run's lines
            elif not line.startswith(RECORD) and line.strip():
                reading.forget()
            if number == 1 and not line.startswith(BEGINNING):
                reading.forget()
            if len(reading.frames) >= most:
                break
    return tuple(replace(each, forces=reading.forces.get(each.index)) for each in reading.frames)


class _FrameReader:
    """Rows in order: carried fields apply until a row changes them."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.forces: dict[int, Forces] = {}
        self._decode_state: Any = decoder(State).decode
        self._decode: Any = decoder(_Row).decode
        self._from_the_start = True
        self._lane = 0
        self._phase = -1
        self._n_atoms: int | None = None
        self._changes: list[str] | None = None
        self._indices: set[int] = set()
        self._seen: dict[tuple[int, int, int], int] = {}

    def add(self, line: bytes) -> None:
        try:
            row = self._decode(line)
        except UNDECODABLE:  # the reader of the journal counts those
            self.forget()
            return
        self._carry(row)
        nested_or_failed = row.parent is not None or row.failure is not None
        if nested_or_failed or self._changes == [] or row.energy_ev is UNSET or row.index in self._indices:
            return
        self._indices.add(row.index)
        step = row.step if row.step > ABSENT else None
        where = (self._lane, self._phase, ABSENT if step is None else step)
        self._seen[where] = number = self._seen.get(where, -1) + 1
        place = (*where, number) if self.frames or not self._from_the_start else FIRST
        self.frames.append(Frame(place, step, self._n_atoms, row.energy_ev, row.index))

    def add_state(self, line: bytes) -> None:
        try:
            state = self._decode_state(line)
        except UNDECODABLE:  # as above
            return
        known = isinstance(state.force_norm_ev_a, float) and isinstance(state.largest_force_ev_a, float)
        if known:
            weighted = state.force_weighted_ev_a
            self.forces[state.index] = Forces(
                state.force_norm_ev_a,
                state.largest_force_ev_a,
                weighted if isinstance(weighted, float) else None,
            )

    def forget(self) -> None:
        """Note that lines are missing: carried fields are unknown until a row has them again."""
        self._from_the_start = False
        self._lane = self._phase = UNKNOWN
        self._n_atoms = self._changes = None

    def _carry(self, row: Any) -> None:
        if row.lane is not None:
            self._lane = row.lane
        if row.phase is not UNSET:
            self._phase = -1 if row.phase is None else row.phase
        if row.n_atoms is not UNSET:
            self._n_atoms = row.n_atoms
        if row.changes is not UNSET:
            self._changes = row.changes
