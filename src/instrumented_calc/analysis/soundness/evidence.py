"""Input of the checks: the states of a run, by driver and calculator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import UNSET

from instrumented_calc.analysis.soundness.check import Since

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import Phase, State

FS_PER_PS = 1000


@dataclass(frozen=True, slots=True)
class Track:
    """The states of one calculator with one number of atoms under one driver, in order.

    Attributes:
        phase: The driver; None if there is none.
        n_atoms: Atoms; 0 if unknown.
        states: The states.
        steps: Steps completed by the driver at each state, -1 if unknown.
        direct: Whether the model is known to predict forces that are not the gradient of its energy.
    """

    phase: Phase | None
    n_atoms: int
    states: tuple[State, ...]
    steps: NDArray[np.int64]
    direct: bool = False
    ended: bool = False

    @property
    def is_md(self) -> bool:
        """Whether the driver is molecular dynamics."""
        return self.phase is not None and self.phase.kind == "md"

    def values(self, field: str) -> NDArray[np.float64]:
        """Return a quantity at each state; NaN where it was not measured or not finite."""
        found = [getattr(each, field) for each in self.states]
        return np.array([each if isinstance(each, (int, float)) else np.nan for each in found], dtype=float)

    def since(self, place: int) -> Since:
        """Return when a state was read."""
        step, call = int(self.steps[place]), self.states[place].index
        exact = not place or self.states[place - 1].index >= call - 1
        return Since(call, step if step >= 0 else None, exact)

    def times_ps(self) -> NDArray[np.float64] | None:
        """Return the simulated time at each state, or None without a time step."""
        step = self.phase.timestep_fs if self.phase is not None else UNSET
        if not isinstance(step, (int, float)) or (self.steps < 0).all():
            return None
        times: NDArray[np.float64] = np.where(self.steps >= 0, self.steps, np.nan) * step / FS_PER_PS
        return times


@dataclass(frozen=True, slots=True)
class PhysicsEvidence:
    """Input of the checks.

    Attributes:
        journal: The run.
        calls: Outermost calls.
        failures: Outermost calls that failed, by class of the exception.
        tracks: The states by driver and calculator.
    """

    journal: Journal
    calls: int
    failures: dict[str, int]
    tracks: tuple[Track, ...]

    def counted(self, name: str) -> int | None:
        """Return one of the run's counters, or None if it was not counted (0.1.0 counted less)."""
        value: Any = getattr(self.journal.counters, name, UNSET)
        return value if isinstance(value, int) else None

    def since(self, call: int) -> Since:
        """Return when a call was made."""
        calls = self.journal.calls
        rows = np.flatnonzero(calls.index == call)
        step = int(calls.step[rows[0]]) if len(rows) else -1
        return Since(call, step if step >= 0 else None)


def gather_physics(journal: Journal, calls: int, failures: dict[str, int]) -> PhysicsEvidence:
    """Sort the states of a run.

    Args:
        journal: The run.
        calls: Outermost calls.
        failures: Outermost calls that failed, by class of the exception.
    """
    return PhysicsEvidence(journal, calls, failures, _tracks(journal))


def _tracks(journal: Journal) -> tuple[Track, ...]:
    calls, states = journal.calls, journal.states
    if not states or not len(calls):
        return ()
    order = np.argsort(calls.index, kind="stable")
    places = np.searchsorted(calls.index, [each.index for each in states], sorter=order)
    rows = order[np.minimum(places, len(order) - 1)]
    grouped: dict[tuple[int, int, int], list[int]] = {}
    for number, row in enumerate(rows.tolist()):
        if states[number].non_finite_atoms is UNSET or states[number].force_norm_ev_a is not UNSET:
            # Where atoms come and go, energies of different numbers of them are not comparable.
            group = (int(calls.phase[row]), int(calls.lane[row]), int(calls.n_atoms[row]))
            grouped.setdefault(group, []).append(number)
    found = []
    for (phase, lane, n_atoms), numbers in sorted(grouped.items()):
        steps = [
            step if isinstance(step := states[each].step, int) else int(calls.step[rows[each]])
            for each in numbers
        ]
        model = journal.lanes[lane].model if lane in journal.lanes else None
        direct = isinstance(model, dict) and model.get("conservative") is False
        ours = tuple(states[each] for each in numbers)
        driver = journal.phases.get(phase)
        completed = np.array(steps, dtype=np.int64)
        found.append(Track(driver, max(n_atoms, 0), ours, completed, direct, not journal.partial))
    return tuple(found)
