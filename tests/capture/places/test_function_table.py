"""The table of profiled functions is bounded, and loses no call."""

from __future__ import annotations

import json

import msgspec

from instrumented_calc.capture.places.function_table import MOST_FUNCTIONS, FunctionTable
from instrumented_calc.capture.places.step_profiler import FunctionSum, StepSums
from instrumented_calc.capture.run.recording import Recording
from instrumented_calc.journal.vocabulary import CALCULATOR, OUTSIDE


def mine():
    """Stand for the user's code."""


def table(**parts):
    made = FunctionTable()
    made.add(StepSums({part: [FunctionSum(*each) for each in each_of] for part, each_of in parts.items()}, 0))
    return made


def rows(functions):
    return [(f.part, f.function.rpartition(".")[2], f.package, f.calls, f.ns) for f in functions]


def test_user_code_is_kept_by_file_and_line_library_code_by_function():
    made = table(
        calculator=[(mine.__code__, 2, 30), (json.dumps.__code__, 1, 20), (("numpy", "zeros"), 4, 10)]
    )
    first, second, third = made.functions(10_000)
    assert (first.function, first.package, first.file) == ("mine", "", __file__)
    assert first.line == mine.__code__.co_firstlineno
    assert (second.function, second.package, second.file, second.line) == ("dumps", "json", "", 0)
    assert (third.function, third.package, third.calls) == ("zeros", "numpy", 4)


def test_steps_are_added_and_parts_kept_apart():
    made = table(calculator=[(("m", "f"), 2, 30)], other=[(("m", "f"), 1, 5)])
    made.add(StepSums({CALCULATOR: [FunctionSum(("m", "f"), 2, 40)], OUTSIDE: []}, 0))
    assert rows(made.functions(10_000)) == [("calculator", "f", "m", 4, 70), ("other", "f", "m", 1, 5)]


def test_the_recorders_own_functions_are_one_row():
    made = table(other=[(Recording.beat.__code__, 1, 3), (Recording.stop.__code__, 1, 4)])
    assert rows(made.functions(10_000)) == [("recorder", "", "", 2, 7)]


def test_a_record_of_limited_size_has_the_rest_summed_by_part():
    made = table(calculator=[(("numpy", f"f{number}"), 1, 1000 - number) for number in range(500)])
    found = made.functions(4_000)
    assert 20 < len(found) < 60
    assert sum(each.calls for each in found) == 500
    assert sum(each.ns for each in found) == sum(1000 - number for number in range(500))
    assert len(msgspec.json.encode(found)) < 6_000
    assert len(made.functions(100_000)) == 500  # nothing is lost for later


def test_the_table_is_bounded():
    made = table(calculator=[((f"m{number}", "f"), 1, number) for number in range(3 * MOST_FUNCTIONS)])
    found = made.functions(10**9)
    assert len(found) <= MOST_FUNCTIONS
    assert sum(each.calls for each in found) == 3 * MOST_FUNCTIONS


def test_texts_of_any_kind_are_written():
    made = table(calculator=[(("m", "\udc80" * 5000), 1, 1)])
    (found,) = made.functions(10_000)
    assert len(msgspec.json.encode(found)) < 2_000
