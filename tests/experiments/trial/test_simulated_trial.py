"""The course of a trial whose runs are simulated: each remedy has a known effect, each run some scatter."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from instrumented_calc.analysis.trial.metered_run import MeteredRun
from instrumented_calc.experiments.trial.processes import FailedRunError
from instrumented_calc.experiments.trial.task import TriedProgram
from instrumented_calc.experiments.trial.trial import TrialSettings, run_trial
from instrumented_calc.journal import records

CALLS = 50
# These remedies apply to the simulated program: it has torch loaded and many objects.
NOTES = {"modules": ["torch"], "tracked_objects": 1_000_000}
FREEZE, INFERENCE, DENORMALS, GPU = "gc-freeze", "inference-mode", "flush-denormals", "on-gpu"


def written(path, threads):
    """Write the journal of a run with that many threads on two processors, and return its path."""
    environment = records.Environment(
        affinity=2, physical_cores=2, threads_effective=[records.ThreadPool("blas", "openblas", threads)]
    )
    start = records.RunStart(
        schema=records.SCHEMA,
        run_id="r",
        started="2026-01-01T00:00:00Z",
        pid=1,
        version="0.1.0",
        environment=environment,
    )
    lane = records.Lane(
        0, "EMT", "twin", n_atoms=2, formula="Cu2", model={"architecture": "Net", "device": "cpu"}
    )
    calls = [
        records.Call(index=n, lane=0, n_atoms=2, start_ns=n * 10**6, wall_ns=10**6) for n in range(CALLS)
    ]
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (start, lane, *calls)))
    return path


class SimulatedProcesses:
    """Runs whose speed and values follow from the remedies' names."""

    def __init__(  # noqa: PLR0913 - independent
        self, folder, speedups, *, scatter=0.02, wrong="", failing="", seed=0, threads=None, gpus=None
    ):
        self.runs = 0
        self._journals = [] if threads is None else [written(folder / "run.jsonl", threads)]
        self._notes = folder / "notes.json"
        self._notes.write_text(json.dumps(NOTES | {"gpus": gpus}))
        self._speedups, self._scatter, self._wrong, self._failing = speedups, scatter, wrong, failing
        self._rng = np.random.default_rng(seed)

    def record(self, calls, seconds):
        return self._run(()), self._journals, self._notes

    def measure(self, calls, remedies=(), facts=None, limit_s=None):
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
    def run(speedups, clock=None, only=(), run_s=0.0, **options):
        settings = TrialSettings(TriedProgram(("script.py",)), tmp_path, budget_s=600, only=only)
        processes = SimulatedProcesses(tmp_path, speedups, **options)
        return run_trial(settings, clock=clock or (lambda: processes.runs * run_s), processes=processes)

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


def test_of_remedies_that_exclude_each_other_the_best_is_measured(tried):
    result = tried({"threads-1": 2.0, "threads-2": 1.5}, threads=16)
    found = {each.names[0]: each for each in result.outcomes}
    assert found["threads-1"].helps
    assert found["threads-2"].verdict == "less gain"
    assert found["threads-2"].why == "threads-1 gained more in the search, and excludes it"
    assert found["threads-2"].gain is None
    assert result.together is None


def test_if_the_time_does_not_suffice_for_all_the_best_are_measured(tried):
    result = tried({FREEZE: 2.0, INFERENCE: 1.5, DENORMALS: 1.3}, run_s=25.0)
    assert verdicts(result) == {FREEZE: "helps", INFERENCE: "helps", DENORMALS: "not sure"}
    assert result.out_of_time
    assert result.seconds <= 600


def test_what_changes_the_values_is_out_however_fast(tried):
    result = tried({FREEZE: 10.0}, wrong=FREEZE)
    outcome = next(each for each in result.outcomes if each.names == (FREEZE,))
    assert outcome.verdict == "other values"
    assert "5.0e-03 eV per atom" in outcome.why
    assert not any(each.helps for each in result.outcomes)


def test_what_cannot_be_tried_is_listed_with_its_obstacle_and_not_run(tried):
    result = tried({GPU: 10.0}, threads=2, gpus=0)
    outcome = next(each for each in result.outcomes if each.names == (GPU,))
    assert (outcome.verdict, outcome.why) == ("not tried", "torch finds no GPU on this machine")
    assert outcome.rounds == 0
    assert tried({GPU: 10.0}, threads=2, gpus=1).outcomes[0].helps


def test_a_single_remedy_needs_no_search(tried):
    result = tried({FREEZE: 1.5}, only=(FREEZE,))
    assert result.outcomes[0].helps
    assert result.runs == 1 + 2 * 4


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
