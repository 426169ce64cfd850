"""A jump of the conserved energy, apart from its drift."""

import numpy as np
import pytest

from instrumented_calc.journal.records import Environment, State

NOISE = np.random.default_rng(0).normal(0, 0.002, 40)
LATE = np.arange(40) >= 25


@pytest.fixture
def judged(make, found):
    def judge(conserved, rule="energy-drift", calculator="m.C", kinetic=1.2, **environment):
        run = make(400, ensemble="NVE", **environment)
        run.lane.calculator = calculator
        run.phase.timestep_fs = 1.0
        run.phase.driver = "ase.md.verlet.VelocityVerlet"
        states = [
            State(index=10 * place, conserved_ev=float(value), kinetic_ev=kinetic)
            for place, value in enumerate(conserved)
        ]
        return found(run.also(*states), rule)

    return judge


def test_a_jump_is_dated_and_measured(judged):
    finding = judged(NOISE + 3.0 * LATE)
    assert finding.verdict == "flagged"
    assert finding.severity == "wrong"
    assert "it jumped by +93.7 meV per atom" in finding.headline
    assert "at step 250 (call 250) at the latest" in finding.headline


@pytest.mark.parametrize("conserved", [NOISE + 3.0 * LATE, NOISE + np.linspace(0, 3, 40)])
def test_a_start_at_rest_is_not_the_measure(judged, conserved):
    finding = judged(conserved, kinetic=0.0)
    assert "times the kinetic energy at 100 K" in finding.headline
    assert "at the start" not in finding.headline


@pytest.mark.parametrize(
    "conserved", [NOISE, NOISE + 0.1 * LATE, 100 * NOISE], ids=["noise", "a small jump", "fluctuations"]
)
def test_noise_and_small_jumps_are_clear(judged, conserved):
    assert judged(conserved).verdict == "clear"


def test_a_drift_is_no_jump(judged):
    finding = judged(NOISE + np.linspace(0, 3, 40))
    assert finding.verdict == "flagged"
    assert "jumped" not in finding.headline


@pytest.mark.parametrize("conserved", [NOISE + 3.0 * LATE, NOISE + np.linspace(0, 3, 40)])
def test_the_work_of_a_bias_is_not_called_a_fault(judged, conserved):
    finding = judged(conserved, calculator="me.MovingRestraint")
    assert (finding.verdict, finding.severity) == ("flagged", "info")
    assert finding.headline.endswith("; not judged, because MovingRestraint may do work on the atoms")
    assert judged(20 * conserved, calculator="me.MovingRestraint").severity == "wrong"


def test_reduced_precision_is_grave_if_the_energy_drifts(judged):
    gpu = {
        "environment": Environment(torch={"float32_matmul_precision": "high"}),
        "model": {"device": "cuda:0", "dtype": "float32"},
    }
    drifting = judged(NOISE + np.linspace(0, 3, 40), "reduced-precision", **gpu)
    assert (drifting.severity, drifting.headline[-31:]) == (
        "wrong",
        ", and the energy is not conserved"[-31:],
    )
    assert judged(NOISE, "reduced-precision", **gpu).severity == "info"
