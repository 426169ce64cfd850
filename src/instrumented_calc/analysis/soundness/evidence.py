"""Input of the checks: the states of a run, by driver and calculator."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import UNSET

from instrumented_calc.analysis.soundness.check import Since
from instrumented_calc.analysis.soundness.driven import driven_by

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instrumented_calc.journal.columns import Calls, Integers
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
        steps: The step of the driver that each state belongs to, -1 if unknown.
        direct: Whether the model is known to predict forces that are not the gradient of its energy.
        is_reduced: Whether its matrix products are known to be computed in TensorFloat-32.
        ended: Whether the run has ended in order.
        driven_by: The calculator that may do work on the atoms from outside, by its name; else empty.
    """

    phase: Phase | None
    n_atoms: int
    states: tuple[State, ...]
    steps: NDArray[np.int64]
    direct: bool = False
    is_reduced: bool = False
    ended: bool = False
    driven_by: str = ""
    _known: dict[str, NDArray[np.float64]] = field(default_factory=dict, init=False, repr=False)

    @property
    def is_md(self) -> bool:
        """Whether the driver is molecular dynamics."""
        return self.phase is not None and self.phase.kind == "md"

    def values(self, name: str) -> NDArray[np.float64]:
        """Return a quantity at each state, read-only; NaN where it was not measured or not finite."""
        known = self._known.get(name)
        if known is None:
            found = map(attrgetter(name), self.states)
            known = np.array([each if isinstance(each, (int, float)) else np.nan for each in found], float)
            known.flags.writeable = False  # several checks look at the same quantities
            self._known[name] = known
        return known

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
        returned: Those that returned results.
        failures: Outermost calls that failed, by class of the exception.
        steps: The step that each call belongs to, -1 if unknown.
        tracks: The states by driver and calculator.
    """

    journal: Journal
    calls: int
    returned: int
    failures: dict[str, int]
    steps: Integers
    tracks: tuple[Track, ...]

    def counted(self, name: str) -> int | None:
        """Return one of the run's counters, or None if it was not counted (0.1.0 counted less)."""
        value: Any = getattr(self.journal.counters, name, UNSET)
        return value if isinstance(value, int) else None

    @property
    def returned_calls(self) -> str:
        """The calls that returned results, in words; what was found in results holds for these alone."""
        if self.returned >= self.calls:
            return f"all {self.calls:,} calls"
        return f"the {self.returned:,} of {self.calls:,} calls that returned results"

    def since(self, call: int) -> Since:
        """Return when a call was made."""
        calls = self.journal.calls
        rows = np.flatnonzero(calls.index == call)
        step = int(self.steps[rows[0]]) if len(rows) else -1
        return Since(call, step if step >= 0 else None)


def gather_physics(
    journal: Journal, calls: int, returned: int, failures: dict[str, int], steps: Integers
) -> PhysicsEvidence:
    """Sort the states of a run.

    Args:
        journal: The run.
        calls: Outermost calls.
        returned: Those that returned results.
        failures: Outermost calls that failed, by class of the exception.
        steps: The step that each call belongs to, -1 if unknown.
    """
    return PhysicsEvidence(journal, calls, returned, failures, steps, _tracks(journal, steps))


def _tracks(journal: Journal, numbers: Integers) -> tuple[Track, ...]:
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
    found, outside = [], driven_by(journal)
    for (phase, lane, n_atoms), members in sorted(grouped.items()):
        driver = journal.phases.get(phase)
        is_md = driver is not None and driver.kind == "md"
        steps = [_step(states[each], calls, int(rows[each]), numbers, is_md=is_md) for each in members]
        model = journal.lanes[lane].model if lane in journal.lanes else None
        direct = isinstance(model, dict) and model.get("conservative") is False
        ours = tuple(states[each] for each in members)
        numbered = np.array(steps, dtype=np.int64)
        reduced = isinstance(model, dict) and _is_reduced(model, journal)
        ended = not journal.partial
        found.append(Track(driver, max(n_atoms, 0), ours, numbered, direct, reduced, ended, outside))
    return tuple(found)


def _is_reduced(model: dict[str, Any], journal: Journal) -> bool:
    """Return whether a model's products are in TensorFloat-32, by its own evidence or torch's setting."""
    precision = str(model.get("precision", ""))
    if not str(model.get("device", "")).startswith("cuda") or model.get("dtype") == "float64":
        return False
    # JAX's default uses TensorFloat-32 where the device has it (jax-ml/jax#22557).
    torch = journal.environment.torch
    set_so = isinstance(torch, dict) and torch.get("tf32_matmul") is True
    return "TF32 on" in precision or precision == "default" or set_so


def _step(state: State, calls: Calls, row: int, numbers: Integers, *, is_md: bool) -> int:
    """Return the step that a state belongs to.

    A state that was read after its call, when the run ended, has the number of completed steps. The call of
    another state may have no row, as rows are thinned.
    """
    number, completed = int(numbers[row]), int(calls.step[row])
    if int(calls.index[row]) != state.index:
        return state.step + is_md if isinstance(state.step, int) else number
    return state.step if isinstance(state.step, int) and state.step != completed else number
