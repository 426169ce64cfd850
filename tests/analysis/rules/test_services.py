"""Calls that log, copy or serialise instead of computing."""

import pytest

from instrumented_calc.journal.records import CodeLine, Places, SampledStack
from instrumented_calc.journal.vocabulary import UNSEEN

MS = 10**6
RULE = "services-in-calls"
LINES = [
    CodeLine("StreamHandler.flush", "logging"),
    CodeLine("debug", "logging"),
    CodeLine("Mine.calculate", "", "/home/me/my.py", 8),
    CodeLine("EMT.calculate", "ase"),
    CodeLine("<module>", "", "/home/me/run.py", 3),
    CodeLine("deepcopy", "copy"),
]


def sampled(make, part, stack, samples=40):
    stacks = [
        SampledStack(part, samples, samples * MS, "", stack, 1),
        SampledStack("calculator", 100 - samples, (100 - samples) * MS, "", [3, 2, 4], 1),
    ]
    return make(300).also(Places(5, 100, 100 * MS, 100.0 * MS**2, LINES, stacks))


def test_a_log_in_each_call_is_named_with_its_caller(make, found):
    finding = found(sampled(make, "calculator", [0, 1, 2, 3, 4]), RULE)
    assert (finding.verdict, finding.severity) == ("flagged", "cost")
    assert finding.headline == (
        "about 40 % of the wall time is logging inside calls, in logging.debug, called in Mine.calculate"
        " (my.py:8)"
    )
    assert finding.saving_kind == "at most"
    assert finding.saving_share == pytest.approx(0.498, abs=0.001)  # Wilson's upper limit of 40 in 100


def test_what_was_not_seen_counts_in_the_upper_limit(make, found):
    stacks = [
        SampledStack("calculator", 40, 40 * MS, "", [0, 1, 2, 3, 4], 1),
        SampledStack("calculator", 30, 30 * MS, UNSEEN),
        SampledStack("calculator", 30, 30 * MS, "", [3, 2, 4], 1),
    ]
    finding = found(make(300).also(Places(5, 100, 100 * MS, 100.0 * MS**2, LINES, stacks)), RULE)
    assert finding.headline.endswith("; 30 % is in calls, too, but was not seen where")
    assert finding.saving_share == pytest.approx(0.798, abs=0.001)


def test_the_upper_limit_is_all_of_the_function_that_calls_it(make, found):
    lines = [*LINES, CodeLine("dump", "", "/home/me/my.py", 20), CodeLine("dump", "", "/home/me/my.py", 21)]
    stacks = [
        SampledStack("calculator", 40, 40 * MS, "", [1, 6, 2], 3),
        SampledStack("calculator", 30, 30 * MS, "", [7, 2], 2),
        SampledStack("calculator", 30, 30 * MS, "", [3, 2], 2),
    ]
    finding = found(make(300).also(Places(5, 100, 100 * MS, 100.0 * MS**2, lines, stacks)), RULE)
    assert "about 40 % of the wall time is logging" in finding.headline
    assert finding.saving_share == pytest.approx(0.781, abs=0.001)  # Wilson's upper limit of 70 in 100


def test_copies_in_a_library_are_only_mentioned(make, found):
    finding = found(sampled(make, "calculator", [5, 3, 4]), RULE)
    assert (finding.verdict, finding.severity) == ("flagged", "info")
    assert "copies of objects inside calls, in copy.deepcopy" in finding.headline


@pytest.mark.parametrize(("part", "samples"), [("observers", 40), ("driver", 40), ("calculator", 5)])
def test_outside_calls_or_rarely_it_is_clear(make, found, part, samples):
    assert found(sampled(make, part, [0, 1, 2, 3, 4], samples), RULE).verdict == "clear"


def test_without_samples_nothing_is_known(make, found):
    assert found(make(300), RULE).verdict == "not enough evidence"


LOADING = [
    CodeLine("load", "torch"),
    CodeLine("Module.load_state_dict", "torch"),
    CodeLine("Mine.evaluate", "", "/home/me/my.py", 9),
    CodeLine("Mine.calculate", "", "/home/me/my.py", 5),
    CodeLine("Linear.forward", "torch"),
    CodeLine("savetxt", "numpy"),
    CodeLine("Mine.evaluate", "", "/home/me/my.py", 10),
]


def test_weights_that_are_loaded_in_each_call_are_named_and_the_rest_of_the_function_is_kept(make, found):
    stacks = [
        SampledStack("calculator", 25, 25 * MS, "", [1, 2, 3], 3),
        SampledStack("calculator", 15, 15 * MS, "", [0, 2, 3], 3),
        SampledStack("calculator", 60, 60 * MS, "", [4, 6, 3], 3),
    ]
    finding = found(make(300).also(Places(5, 100, 100 * MS, 100.0 * MS**2, LOADING, stacks)), RULE)
    assert finding.headline == (
        "about 40 % of the wall time is loading of weights inside calls, in torch.Module.load_state_dict,"
        " called in Mine.evaluate (my.py:9)"
    )
    assert finding.saving_share == pytest.approx(0.498, abs=0.001)  # Wilson's upper limit of 40 in 100


def test_a_model_that_only_computes_is_clear(make, found):
    stacks = [SampledStack("calculator", 100, 100 * MS, "", [4, 2, 3], 3)]
    finding = found(make(300).also(Places(5, 100, 100 * MS, 100.0 * MS**2, LOADING, stacks)), RULE)
    assert finding.verdict == "clear"


def test_what_the_same_line_prepares_for_the_log_counts_in_the_upper_limit(make, found):
    lines = [*LOADING, CodeLine("Logger.debug", "logging"), CodeLine("array2string", "numpy")]
    stacks = [
        SampledStack("calculator", 30, 30 * MS, "", [7, 2, 3], 3),
        SampledStack("calculator", 30, 30 * MS, "", [8, 2, 3], 3),
        SampledStack("calculator", 40, 40 * MS, "", [4, 3], 2),
    ]
    finding = found(make(300).also(Places(5, 100, 100 * MS, 100.0 * MS**2, lines, stacks)), RULE)
    assert "about 30 % of the wall time is logging" in finding.headline
    assert finding.saving_share == pytest.approx(0.691, abs=0.001)  # Wilson's upper limit of 60 in 100
