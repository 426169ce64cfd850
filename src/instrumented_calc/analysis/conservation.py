"""Conservation of the total energy of a microcanonical run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.statistics.theil_sen import theil_sen

if TYPE_CHECKING:
    from instrumented_calc.analysis.statistics.theil_sen import Slope
    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import Phase

EXPLODED_EV = 1e100  # unphysical; arithmetic on larger energies overflows
FEWEST_SAMPLES = 10
FS_PER_PS = 1000


@dataclass(frozen=True, slots=True)
class Conservation:
    """The total energy of one phase.

    Attributes:
        phase: The driver that conserves it.
        samples: Number of samples.
        ps: Simulated time from the first to the last sample.
        drift: Slope with its 95 % interval, meV per atom per ps (Theil and Sen).
        strayed_mev: Largest deviation from the first sample, meV per atom.
        conservative: Whether the model's forces are the gradient of its energy; None if unknown.
    """

    phase: Phase
    samples: int
    ps: float
    drift: Slope
    strayed_mev: float
    conservative: bool | None


def measure_conservation(journal: Journal) -> list[Conservation]:
    """Return the total energy over time for each phase with a time step and enough samples."""
    calls = journal.calls
    known = [(each.index, each.conserved_ev) for each in journal.states]
    pairs = [
        (index, energy) for index, energy in known if isinstance(energy, float) and abs(energy) < EXPLODED_EV
    ]
    if not pairs or not len(calls):
        return []
    order = np.argsort(calls.index)
    places = np.searchsorted(calls.index, [index for index, _ in pairs], sorter=order)
    rows = order[np.minimum(places, len(order) - 1)]
    energies = np.array([energy for _, energy in pairs])
    models = [lane.model for lane in journal.lanes.values() if isinstance(lane.model, dict)]
    stated = [model.get("conservative") for model in models]
    flags = {each if isinstance(each, bool) else None for each in stated}
    conservative = flags.pop() if len(flags) == 1 else None
    found = []
    for number, phase in sorted(journal.phases.items()):
        ours = (calls.phase[rows] == number) & (calls.step[rows] >= 0) & (calls.n_atoms[rows] > 0)
        if ours.sum() < FEWEST_SAMPLES or not isinstance(phase.timestep_fs, float):
            continue
        times = calls.step[rows[ours]] * phase.timestep_fs / FS_PER_PS
        values = 1e3 * energies[ours] / calls.n_atoms[rows[ours]]
        drift = theil_sen(times, values)
        if drift is not None:
            strayed = float(abs(values - values[0]).max())
            span = float(times[-1] - times[0])
            found.append(Conservation(phase, len(values), span, drift, strayed, conservative))
    return found
