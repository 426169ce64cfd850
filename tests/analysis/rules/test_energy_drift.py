"""A jump of the conserved energy, apart from its drift."""

import numpy as np
import pytest

from instrumented_calc.journal.records import State

NOISE = np.random.default_rng(0).normal(0, 0.002, 40)
LATE = np.arange(40) >= 25


@pytest.fixture
def judged(make, found):
    def judge(conserved):
        run = make(400, ensemble="NVE")
        run.phase.timestep_fs = 1.0
        run.phase.driver = "ase.md.verlet.VelocityVerlet"
        states = [
            State(index=10 * place, conserved_ev=float(value), kinetic_ev=1.2)
            for place, value in enumerate(conserved)
        ]
        return found(run.also(*states), "energy-drift")

    return judge


def test_a_jump_is_dated_and_measured(judged):
    finding = judged(NOISE + 3.0 * LATE)
    assert finding.verdict == "flagged"
    assert finding.severity == "wrong"
    assert "it jumped by +93.7 meV per atom" in finding.headline
    assert "at step 250 (call 250) at the latest" in finding.headline


@pytest.mark.parametrize(
    "conserved", [NOISE, NOISE + 0.1 * LATE, 100 * NOISE], ids=["noise", "a small jump", "fluctuations"]
)
def test_noise_and_small_jumps_are_clear(judged, conserved):
    assert judged(conserved).verdict == "clear"


def test_a_drift_is_no_jump(judged):
    finding = judged(NOISE + np.linspace(0, 3, 40))
    assert finding.verdict == "flagged"
    assert "jumped" not in finding.headline
