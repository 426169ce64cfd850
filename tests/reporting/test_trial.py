"""What a user reads of a trial."""

import json

import pytest

from instrumented_calc.analysis.statistics.student_t import Estimate
from instrumented_calc.analysis.trial.equal_values import ValueCheck
from instrumented_calc.analysis.trial.trial_result import ExpectedGain, RemedyOutcome, TrialResult
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.trial import build_trial, headline, render_trial_json

WINNER = RemedyOutcome(
    ("threads-1",),
    "helps",
    gain=Estimate(1.11, 1.07, 1.15),
    rounds=4,
    values=ValueCheck("equal", 50, 2e-7, 0.0),
    expected=ExpectedGain(1.18, "at most"),
    keep=("export OMP_NUM_THREADS=1",),
    places=("md.py:3: torch.set_num_threads(8)",),
)
LOST = RemedyOutcome(("gc-freeze",), "no gain", searched=0.99, rounds=3)
WRONG = RemedyOutcome(("float32",), "other values", why="call 3 differs by 2.0e-02 eV per atom")
UNTRIED = RemedyOutcome(("on-gpu",), "not tried", why="torch finds no GPU on this machine")
UNSURE = RemedyOutcome(("inference-mode",), "not sure", searched=1.2, rounds=2)


def result(*outcomes, together=None, out_of_time=False, scatter=0.03) -> TrialResult:
    return TrialResult("md.py", 2000, 1.5e6, scatter, outcomes, together, 20, 61.0, out_of_time)


def test_a_winner_is_told_with_estimate_measurement_values_and_the_line_to_change():
    text = render_text(build_trial(result(WINNER, LOST, WRONG)))
    assert (
        "threads-1: estimated at most 1.18x, measured 1.11x [1.07, 1.15], energies equal to 2e-07 eV/atom,"
        " forces identical" in text
    )
    assert "to keep it: export OMP_NUM_THREADS=1" in text
    assert "md.py:3: torch.set_num_threads(8)" in text
    assert "float32: call 3 differs by 2.0e-02 eV per atom" in text
    assert "0.99x in the search" in text


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ((), "Nothing helps: no remedy applies to this program"),
        ((LOST,), "Nothing helps: 1 remedy tried"),
        ((UNTRIED,), "Nothing helps: no remedy applies to this program"),
        ((LOST, UNTRIED), "Nothing helps: 1 remedy tried"),
        ((LOST, WRONG), "Nothing helps: 2 remedies tried"),
        ((LOST, UNSURE), "Not sure: inference-mode; nothing else helps"),
    ],
)
def test_what_does_not_help_is_said(outcomes, words):
    assert headline(result(*outcomes)) == words


def test_the_best_together_are_first_if_they_are_faster():
    together = RemedyOutcome(("threads-1", "gc-freeze"), "helps", gain=Estimate(1.3, 1.2, 1.4))
    assert headline(result(WINNER, together=together)).startswith("threads-1 + gc-freeze: measured 1.30x")
    slower = RemedyOutcome(("threads-1", "gc-freeze"), "helps", gain=Estimate(1.05, 1.01, 1.1))
    assert headline(result(WINNER, together=slower)).startswith("threads-1: ")


@pytest.mark.parametrize(("scatter", "said"), [(None, False), (0.1, False), (0.3, True)])
def test_a_busy_machine_is_named(scatter, said):
    assert ("scatter by 30 %" in render_text(build_trial(result(LOST, scatter=scatter)))) is said


def test_json_has_the_whole_result():
    document = json.loads(render_trial_json(result(WINNER, out_of_time=True)))
    assert document["schema"] == "instrumented-calc-trial/1"
    assert document["outcomes"][0]["gain"] == {"value": 1.11, "low": 1.07, "high": 1.15}
    assert document["out_of_time"]
