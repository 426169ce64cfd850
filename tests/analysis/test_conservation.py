"""The total energy of a microcanonical run, worked out by hand."""

from __future__ import annotations

import pytest

from instrumented_calc.analysis.conservation import measure_conservation
from instrumented_calc.journal.records import Call, Lane, Phase, State
from instrumented_calc.reporting.run.conservation import conservation_section

NVE = Phase(phase=1, driver="VelocityVerlet", kind="md", index=0, ensemble="NVE", timestep_fs=2.0)


def run(count: int = 20, drift: float = 0.0, **model: bool) -> list:
    """Return records of a run of 4 atoms, 50 steps between samples, drifting by the given eV per sample."""
    lane = Lane(lane=0, calculator="a.C", seen_by="twin", model={"name": "m", **model})
    calls = [
        Call(index=n, lane=0, phase=1, n_atoms=4, start_ns=1000 * n, wall_ns=10, step=50 * n)
        for n in range(count)
    ]
    return [lane, NVE, *calls, *(State(index=n, conserved_ev=-10.0 + drift * n) for n in range(count))]


def test_a_drift_is_reported_per_atom_and_ps(summarized):
    (found,) = measure_conservation(summarized(*run(drift=0.004)).journal)
    assert found.samples == 20
    assert found.ps == pytest.approx(19 * 50 * 2 / 1000)
    assert found.drift.value == pytest.approx(1.0 / 0.1)  # 1 meV per atom in 0.1 ps
    assert found.strayed_mev == pytest.approx(19)
    assert found.conservative is None


def test_an_energy_that_stays_does_not_drift(summarized):
    (found,) = measure_conservation(summarized(*run()).journal)
    assert found.drift.value == found.strayed_mev == 0


def test_a_model_of_direct_forces_is_distinguished(summarized):
    found = measure_conservation(summarized(*run(drift=0.001, conservative=False)).journal)
    (paragraph,) = conservation_section(found).blocks
    assert "not as the gradient of its energy" in paragraph.lines[-1]


@pytest.mark.parametrize("count", [0, 5])
def test_few_samples_are_not_enough_evidence(summarized, count):
    assert measure_conservation(summarized(*run(count)).journal) == []
    assert conservation_section([]) is None
