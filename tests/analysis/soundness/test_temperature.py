"""The temperature of runs that were too short for their thermostat."""

from __future__ import annotations

import numpy as np
import pytest

from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence, Track
from instrumented_calc.analysis.soundness.temperature import check_temperature
from instrumented_calc.journal.records import Phase, State


def judged(temperatures, *, fs_per_state, relaxation=10_000.0, ended=True):
    phase = Phase(
        phase=0,
        driver="ase.md.langevin.Langevin",
        kind="md",
        index=0,
        timestep_fs=1.0,
        thermostat_fs=relaxation,
    )
    states = tuple(State(index=i, temperature_k=float(t), target_k=300.0) for i, t in enumerate(temperatures))
    track = Track(phase, 32, states, fs_per_state * np.arange(len(states)), ended=ended)
    return check_temperature(PhysicsEvidence(None, len(states), len(states), {}, track.steps, (track,)))


HOT = 2500 + 100 * np.sin(np.arange(20))


def test_a_hot_run_that_ended_before_its_thermostat_could_act_is_ruined():
    check = judged(HOT, fs_per_state=10)
    assert check.ruins
    assert "instead of 300 K, and the thermostat, which needs 10,000 fs" in check.text


def test_a_part_of_a_slow_quench_is_left_to_the_user():
    check = judged(HOT, fs_per_state=100)
    assert (check.verdict, check.severity) == ("flagged", "info")


COLD = 150 + 30 * np.sin(np.arange(20))


def test_a_thermostat_that_is_too_weak_for_a_long_run_is_shown():
    check = judged(COLD, fs_per_state=80, relaxation=1e6)
    assert (check.verdict, check.severity) == ("flagged", "info")
    assert "The temperature is 15" in check.text
    assert "instead of 300 K, and the thermostat, which needs 1,000,000 fs to change it, acted" in check.text


@pytest.mark.parametrize(
    ("temperatures", "fs_per_state", "relaxation"),
    [
        (COLD, 10, 1e6),  # the start of a run
        (COLD, 80, 2e3),  # it is on its way
        (2 * COLD, 80, 1e6),  # an equilibrated start
        (150 + 300 * np.sin(np.arange(20)), 80, 1e6),  # few atoms
    ],
)
def test_a_weak_thermostat_is_left_alone(temperatures, fs_per_state, relaxation):
    check = judged(temperatures, fs_per_state=fs_per_state, relaxation=relaxation)
    assert check.verdict == "not enough evidence"


@pytest.mark.parametrize(
    ("temperatures", "ended"),
    [
        (HOT, False),
        (600 + 0 * HOT, True),
        (np.linspace(2500, 1000, 20), True),
        (np.linspace(0, 30, 20), True),
    ],
)
def test_a_run_that_goes_on_or_is_near_or_cools_or_warms_up_is_not_judged(temperatures, ended):
    assert judged(temperatures, fs_per_state=10, ended=ended).verdict == "not enough evidence"


def test_an_optimizer_has_no_temperature():
    phase = Phase(phase=0, driver="ase.optimize.bfgs.BFGS", kind="optimizer", index=0)
    states = tuple(State(index=i, temperature_k=278.0) for i in range(20))
    track = Track(phase, 32, states, np.arange(20))
    check = check_temperature(PhysicsEvidence(None, 20, 20, {}, track.steps, (track,)))
    assert (check.verdict, check.text) == ("clear", "no dynamics, which would have a temperature")
