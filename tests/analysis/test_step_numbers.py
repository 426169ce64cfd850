"""Which step a call belongs to, from the steps that its driver had completed."""

from __future__ import annotations

import pytest

from instrumented_calc.journal.records import Call, Counters, Phase, RunEnd, Slice
from instrumented_calc.reporting.run.final_summary import closing_text

MD = Phase(phase=0, driver="ase.md.verlet.VelocityVerlet", kind="md", index=0, timestep_fs=2.0)
BFGS = Phase(phase=1, driver="ase.optimize.BFGS", kind="optimizer", index=0)
MS = 10**6


def rows(completed, phase=0, **fields):
    """Return calls that began after these numbers of steps."""
    first = Call(index=0, start_ns=0, wall_ns=MS, lane=0, phase=phase, step=completed[0])
    more = [
        Call(index=number, start_ns=number * 2 * MS, wall_ns=MS, step=step, **fields)
        for number, step in enumerate(completed[1:], start=1)
    ]
    return [first, *more]


def numbers(summary):
    return summary.steps.tolist()


def test_the_first_forces_of_md_are_of_the_start_and_each_other_call_of_the_next_step(summarized):
    assert numbers(summarized(MD, *rows([0, 0, 1, 2]))) == [0, 1, 2, 3]


def test_without_first_forces_the_first_call_is_of_the_next_step(summarized):
    assert numbers(summarized(MD, *rows([0, 1, 2]))) == [1, 2, 3]
    assert numbers(summarized(MD, *rows([7, 8]))) == [8, 9]


def test_a_lone_call_is_of_the_start(summarized):
    assert numbers(summarized(MD, *rows([0]))) == [0]


def test_a_call_of_an_optimizer_is_of_the_last_completed_step(summarized):
    assert numbers(summarized(BFGS, *rows([0, 1, 2], phase=1))) == [0, 1, 2]


def test_a_repeated_calculation_is_of_the_step_of_the_one_before(summarized):
    calls = rows([0, 0, 1, 2, 2], changes=["positions"])
    calls[3].changes = []  # the stress of step 2, asked for by an observer after it
    summary = summarized(MD, *calls)
    assert numbers(summary) == [0, 1, 2, 2, 3]
    assert summary.speed.steps == 3


def test_an_observers_calculation_after_the_last_step_is_no_further_step(summarized):
    calls = rows([0, 0, 1, 2], changes=["positions"])
    calls[-1].changes = []
    assert summarized(MD, *calls).speed.steps == 2


def test_a_call_after_the_last_step_is_no_further_step_whatever_has_changed(summarized):
    until = Phase(phase=0, driver=MD.driver, kind="md", index=0, timestep_fs=2.0, until_step=2)
    summary = summarized(until, *rows([0, 0, 1, 2], changes=["positions"]))
    assert numbers(summary) == [0, 1, 2, 2]
    assert summary.speed.steps == 2
    assert numbers(summarized(until, *rows([0, 0, 1, 2, 3]))) == [0, 1, 2, 3, 4]  # run again


def test_drivers_are_counted_separately(summarized):
    first = rows([0, 1], phase=1)
    second = [
        Call(index=2 + n, start_ns=(2 + n) * 2 * MS, wall_ns=MS, phase=0, step=step)
        for n, step in enumerate((0, 0, 1))
    ]
    assert numbers(summarized(BFGS, MD, *first, *second)) == [0, 1, 0, 1, 2]


def test_without_a_driver_no_step_is_known(summarized):
    assert numbers(summarized(Call(index=0, start_ns=0, wall_ns=MS))) == [-1]


@pytest.mark.parametrize("how", ["observer", "calculator"])
def test_a_summary_has_one_meaning_of_step(summarized, how):
    """An observer that raises after step 40, and a calculator that raises in it."""
    calls = rows([0, *range(40)])
    if how == "calculator":
        calls[-1].failure = "RuntimeError"
    end = RunEnd(
        reason="exit", time_ns=1, ended="2026-01-01T00:00:00Z", counters=Counters(), failure="RuntimeError"
    )
    text = closing_text(summarized(MD, *calls, end))
    assert ", at step 40" in text
    assert f"{40 if how == 'observer' else 39} steps" in text


def test_a_thinned_run_counts_the_step_of_its_last_call(summarized):
    calls = rows([0, 0])
    part = Slice(
        start_ns=4 * MS,
        end_ns=200 * MS,
        calls=98,
        nested=0,
        failed=0,
        unchanged=0,
        wall_ns=98 * MS,
        gap_ns=0,
        min_ns=MS,
        max_ns=MS,
        squares_ns2=98 * MS**2,
        atom_calls=0,
        histogram=[],
        phase=0,
        first_step=1,
        last_step=98,
    )
    assert summarized(MD, *calls, part).speed.steps == 99
