"""Judgement of the work of the forces and the change of the energy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence, Track
from instrumented_calc.analysis.soundness.force_work import check_force_work
from instrumented_calc.journal.records import State
from instrumented_calc.quantities import figures

WORK = np.array([0.02, -0.03, 0.05, 0.01, -0.04, 0.03, -0.02, 0.06])


def judged(changes, *, net=0.0, energy=-10.0, then=None, **known):
    states = tuple(
        State(
            index=index,
            work_ev=work,
            energy_change_ev=change,
            potential_ev=energy,
            force_norm_ev_a=1.0,
            net_force_ev_a=net,
        )
        for index, (work, change) in enumerate(zip(WORK.tolist(), changes, strict=True))
    )
    states += () if then is None else (then,)
    track = Track(None, 8, states, np.arange(len(states)), **known)
    return check_force_work(PhysicsEvidence(None, len(states), len(states), {}, track.steps, (track,)))


def test_a_gradient_is_clear():
    check = judged(-1.02 * WORK)
    assert check.verdict == "clear"
    assert check.text == "forces are the gradient of the energy within 2 %, in 8 pairs of successive calls"


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (23.06, "are 23.1 times the gradient of the energy (kcal/mol for eV?), since"),
        (-1.0, "are -1.00 times the gradient of the energy (the opposite sign?), since"),
        (3.1, "are 3.10 times the gradient of the energy, since"),
    ],
)
def test_another_unit_or_sign_is_named(factor, words):
    check = judged(-WORK / factor)
    assert check.ruins
    assert words in check.text
    assert check.since.call == 0


def test_energies_in_tensorfloat_32_are_too_coarse_for_little_work():
    scattered = -WORK[::-1]
    assert judged(scattered, energy=-100.0).ruins
    assert judged(scattered, energy=-100.0, is_reduced=True).verdict == "not enough evidence"
    assert judged(scattered, energy=-10.0, is_reduced=True).ruins


def test_noise_is_not_called_a_unit():
    check = judged(-WORK[::-1])
    assert check.ruins
    assert "times the" not in check.text


def test_forces_that_became_wrong_are_dated():
    check = judged([*(-WORK[:4]), *WORK[4:]])
    assert check.ruins
    assert check.since.call == 4


def test_a_model_that_predicts_forces_directly_is_not_called_ruined():
    check = judged(-WORK[::-1], direct=True)
    assert check.verdict == "flagged"
    assert check.severity == "info"


@pytest.mark.parametrize(("net", "ruins"), [(0.6, True), (0.1, False)])
def test_a_small_difference_ruins_only_with_forces_that_do_not_sum_to_zero(net, ruins):
    assert judged(-1.05 * WORK, net=net).ruins is ruins


def test_a_field_from_outside_is_no_fault():
    assert judged(-1.001 * WORK, net=1.0).verdict == "clear"


def test_work_below_the_digits_of_the_energy_is_not_judged():
    assert judged(-2 * WORK, energy=-1e5).verdict == "not enough evidence"


def test_a_few_small_last_differences_are_dated_somewhere():
    changes = -WORK.copy()
    changes[-4:] = -1.6 * WORK[-4:]
    check = judged(changes)
    assert check.ruins
    assert check.since.call >= 4


@given(st.lists(st.floats(-1e3, 1e3), min_size=8, max_size=8), st.booleans(), st.floats(0, 2))
def test_any_figures_are_judged(changes, direct, net):
    assert judged(changes, direct=direct, net=net).verdict in {"clear", "flagged", "not enough evidence"}


def test_a_field_that_may_change_with_time_is_not_accused():
    scattered = -WORK[::-1]
    check = judged(scattered, driven_by="LaserField")
    assert (check.verdict, check.severity) == ("flagged", "info")
    assert check.text.endswith("not judged, because the energy of LaserField may change with time")
    assert judged(-WORK / 23.06, driven_by="LaserField").ruins  # another unit is one with a field, too


def test_forces_that_made_the_run_explode_are_judged_by_the_energies_before_that():
    exploded = State(index=len(WORK), potential_ev=1e40, force_norm_ev_a=1e42)
    assert judged(WORK, then=exploded).ruins
    assert judged(-WORK, then=exploded).verdict == "clear"


@pytest.mark.parametrize("factor", [0.85, 1.15])
def test_a_small_common_factor_ruins(factor):
    check = judged(-WORK / factor + 1e-5)
    assert check.ruins
    assert f"are {figures(factor)} times the gradient" in check.text
    assert check.since.call == 0


def test_differences_of_that_size_without_a_common_factor_are_no_fault():
    signs = np.array([1, -1, -1, 1, -1, 1, 1, -1])
    assert judged(-WORK * (1 + 0.15 * signs)).verdict == "clear"
    assert judged(-WORK * (1.08 + 0.1 * signs)).verdict == "clear"


def test_a_common_factor_in_the_forces_of_a_direct_model_is_shown():
    check = judged(-WORK / 1.15, direct=True)
    assert (check.verdict, check.severity) == ("flagged", "info")
