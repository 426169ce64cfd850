"""Where in the code: the table of functions in profiled steps."""

from __future__ import annotations

import json

from tests.analysis.test_places import STACKS, sampled, write  # noqa: F401 - a fixture
from tests.analysis.test_step_functions import FUNCTIONS, MS, profiles
from tests.reporting.run.test_places import text_of

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal.records import ProfiledFunction
from instrumented_calc.reporting.run.json_report import render_json


def section(journal):
    return text_of(journal).partition("Where in the code\n")[2]


def test_functions_are_shown_with_calls_and_time_per_step(write):  # noqa: F811
    text = section(write(profiles()))
    rows = [" ".join(row.split()) for row in text.partition("\n\n")[0].splitlines()]
    assert rows == [
        "function at in calls per step ms per step % of step",
        "dumps (json) calculator 12 6 60.0",
        "MyCalc.calculate my_calc.py:40 calculator 1 3 30.0",
        "VelocityVerlet.step (ase) between calls 2 1 10.0",
    ]
    assert "From 2 profiled steps" in text
    assert "too long by 25 % in all because of the profiler" in " ".join(text.split())


def test_the_table_follows_that_of_the_samples(write):  # noqa: F811
    text = section(write(sampled(STACKS), profiles(usual_ns=20 * MS)))
    assert text.index("140 samples") < text.index("calls per step")
    assert "because of the profiler" not in text


def test_a_report_with_samples_says_why_no_step_was_profiled(write):  # noqa: F811
    reasons = {
        "over budget": "the run was too short for its overhead budget",
        "before Python 3.12": "that needs Python 3.12 or later",
    }
    for reason, text in reasons.items():
        journal = write(sampled(STACKS), profiles(0, functions=[], skipped={reason: 1}))
        assert f"No step was profiled: {text}." in section(journal)


def test_without_samples_and_steps_there_is_no_section(write):  # noqa: F811
    journal = write(profiles(0, functions=[], skipped={"over budget": 1}))
    assert section(journal) == ""


def test_the_report_for_machines_has_the_functions(write):  # noqa: F811
    (journal,) = json.loads(render_json([ReadRun(summarize(write(profiles())))]))["journals"]
    assert journal["step_functions"]["steps"] == 2
    assert journal["step_functions"]["functions"][0]["calls"] == 12


def test_hostile_names_are_shown_as_plain_text(write):  # noqa: F811
    bad = "\x1b[31mevil\n" * 50
    journal = write(profiles(functions=[*FUNCTIONS, ProfiledFunction(bad, 10**15, 10**9, bad, bad, bad, 3)]))
    assert "\x1b" not in text_of(journal)
