"""The course of a trial whose runs are simulated: each remedy has a known effect, each run some scatter."""

from __future__ import annotations

import json

import numpy as np
import pytest

from instrumented_calc.analysis.trial.metered_run import MeteredRun
from instrumented_calc.experiments.trial.processes import FailedRunError
from instrumented_calc.experiments.trial.task import TriedProgram
from instrumented_calc.experiments.trial.trial import TrialSettings, run_trial

CALLS = 50
# These remedies apply to the simulated program: it has torch loaded and many objects.
NOTES = {"modules": ["torch"], "tracked_objects": 1_000_000}
FREEZE, INFERENCE, DENORMALS = "gc-freeze", "inference-mode", "flush-denormals"


class SimulatedProcesses:
    """Runs whose speed and values follow from the remedies' names."""

    def __init__(self, folder, speedups, *, scatter=0.02, wrong="", failing="", seed=0):  # noqa: PLR0913 - independent
        self.runs = 0
        self._notes = folder / "notes.json"
        self._notes.write_text(json.dumps(NOTES))
        self._speedups, self._scatter, self._wrong, self._failing = speedups, scatter, wrong, failing
        self._rng = np.random.default_rng(seed)

    def record(self, calls, seconds):
        return self._run(()), [], self._notes

    def measure(self, calls, remedies=(), facts=None):
        return self._run([each.name for each in remedies])

    def _run(self, names):
        self.runs += 1
        if self._failing in names:
            message = "exit code 1: RuntimeError: no"
            raise FailedRunError(message)
        speedup = np.prod([self._speedups.get(name, 1.0) for name in names])
        step = 1e6 / speedup * np.exp(self._rng.normal(0, self._scatter))
        energies = np.ones(CALLS) + (0.01 if self._wrong in names else 0)
        starts = np.round(np.arange(CALLS + 1) * step).astype(np.int64)
        return MeteredRun(starts, energies, np.full(CALLS, 2), first_positions="p")


@pytest.fixture
def tried(tmp_path):
    def run(speedups, clock=lambda: 0.0, only=(), **options):
        settings = TrialSettings(TriedProgram(("script.py",)), tmp_path, budget_s=600, only=only)
        processes = SimulatedProcesses(tmp_path, speedups, **options)
        return run_trial(settings, clock=clock, processes=processes)

    return run


def verdicts(result):
    return {each.names[0]: each.verdict for each in result.outcomes}


def test_the_right_one_is_found_and_its_gain_measured_in_new_rounds(tried):
    result = tried({FREEZE: 1.5})
    assert verdicts(result) == {FREEZE: "helps", INFERENCE: "no gain", DENORMALS: "no gain"}
    best = result.outcomes[0]
    assert best.gain.low < 1.5 < best.gain.high
    assert best.rounds == 4
    assert best.keep == ("gc.collect(); gc.freeze() after the setup, before the dynamics starts",)
    assert result.together is None
    assert result.per_call_ns == pytest.approx(1e6, rel=0.05)


def test_winners_are_measured_together(tried):
    result = tried({FREEZE: 1.5, INFERENCE: 1.2})
    assert result.together.names == (FREEZE, INFERENCE)
    assert result.together.helps
    assert result.together.gain.low < 1.8 < result.together.gain.high


def test_what_changes_the_values_is_out_however_fast(tried):
    result = tried({FREEZE: 10.0}, wrong=FREEZE)
    outcome = next(each for each in result.outcomes if each.names == (FREEZE,))
    assert outcome.verdict == "other values"
    assert "5.0e-03 eV per atom" in outcome.why
    assert not any(each.helps for each in result.outcomes)


def test_what_fails_is_out_with_its_reason(tried):
    result = tried({}, failing=INFERENCE)
    assert verdicts(result)[INFERENCE] == "failed"
    assert "RuntimeError: no" in next(each.why for each in result.outcomes if each.why)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_helps_a_healthy_program(tried, seed):
    assert not any(each.helps for each in tried({}, scatter=0.1, seed=seed).outcomes)


def test_when_the_time_is_up_nothing_is_claimed(tried):
    times = iter(range(0, 100_000, 60))
    result = tried({FREEZE: 2.0}, clock=lambda: float(next(times)))
    assert result.out_of_time
    assert set(verdicts(result).values()) == {"not sure"}


def test_a_name_that_does_not_apply_is_refused_with_those_that_do(tried):
    with pytest.raises(ValueError, match=f"those that do: {FREEZE}, {INFERENCE}, {DENORMALS}"):
        tried({}, only=("faster",))
