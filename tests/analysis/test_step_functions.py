"""Functions of profiled steps: calls and time per step, and how far the profiler inflates them."""

from __future__ import annotations

import pytest
from tests.analysis.test_places import write  # noqa: F401 - a fixture

from instrumented_calc.analysis.step_functions import measure_step_functions
from instrumented_calc.journal.records import ProfiledFunction, StepProfiles

MS = 10**6
FUNCTIONS = [
    ProfiledFunction("other", 4, 2 * MS, "VelocityVerlet.step", "ase"),
    ProfiledFunction("calculator", 24, 12 * MS, "dumps", "json"),
    ProfiledFunction("calculator", 2, 6 * MS, "MyCalc.calculate", "", "/home/me/my_calc.py", 40),
]


def profiles(steps=2, *, functions=FUNCTIONS, skipped=None, usual_ns=16 * MS):
    return StepProfiles(5, steps, usual_ns, 3 * MS, functions, skipped or {})


def test_calls_and_times_are_per_step_and_the_largest_comes_first(write):  # noqa: F811
    found = measure_step_functions(write(profiles()))
    assert (found.steps, found.usual_ns) == (2, 8 * MS)
    assert found.excess == pytest.approx(0.25)  # 20 ms shown, 16 ms usual
    first, second, third = found.functions
    assert (first.function, first.calls, first.ns, first.share) == ("dumps", 12, 6 * MS, 0.6)
    assert (second.function, second.file, second.line) == ("MyCalc.calculate", "/home/me/my_calc.py", 40)
    assert (third.part, third.calls) == ("other", 2)


def test_steps_that_took_longer_without_the_profiler_have_no_excess(write):  # noqa: F811
    assert measure_step_functions(write(profiles(usual_ns=100 * MS))).excess == 0


def test_the_record_with_the_most_steps_counts(write):  # noqa: F811
    assert measure_step_functions(write(profiles(3), profiles(1))).steps == 3


def test_without_a_record_nothing_is_known(write):  # noqa: F811
    assert measure_step_functions(write()) is None


@pytest.mark.parametrize(
    ("skipped", "reason"),
    [
        ({"over budget": 3}, "over budget"),
        ({"over budget": 3, "too long": 1}, "too long"),
        ({"another profiler": 1, "too long": 1}, "another profiler"),
        ({"a later reason": 1}, ""),
        ({}, ""),
    ],
)
def test_the_reason_why_there_are_no_steps(write, skipped, reason):  # noqa: F811
    found = measure_step_functions(write(profiles(0, functions=[], skipped=skipped, usual_ns=0)))
    assert (found.steps, found.functions, found.excess, found.reason) == (0, (), None, reason)
