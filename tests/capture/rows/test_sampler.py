"""The recorder keeps its own time within the budget by sampling the process less often."""

from __future__ import annotations

import time
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator
from msgspec import UNSET
from tests.support import read_records

from instrumented_calc.capture.notices import Notices
from instrumented_calc.capture.rows import row_maker
from instrumented_calc.capture.rows import sampler as samplers
from instrumented_calc.capture.rows.sampler import RAREST_SAMPLE_NS, SAMPLE_EVERY_NS, Sampler
from instrumented_calc.capture.run import recorder as recorders
from instrumented_calc.capture.run.recorder import Recorder
from instrumented_calc.capture.settings import Settings
from instrumented_calc.capture.wrapping.twin import twin
from instrumented_calc.journal.records import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support import Records

STEP_NS = 1_000_000


class CostlyClock:
    """A clock that costs time to read, so that the recorder seems slow."""

    def __init__(self, cost_ns: int) -> None:
        self.now = 0
        self.cost_ns = cost_ns

    def __call__(self) -> int:
        self.now += self.cost_ns
        return self.now


class Waiting(Calculator):
    """Takes a millisecond of the clock."""

    implemented_properties = ("energy",)
    clock: CostlyClock

    def calculate(self, *args: object, **kwargs: object) -> None:
        self.clock.now += STEP_NS
        self.results = {"energy": 0.0}


def _run(directory: Path, cost_ns: int, budget: float, calls: int = 20_000) -> Records:
    calculator = Waiting()
    calculator.clock = clock = CostlyClock(cost_ns)
    settings = Settings(path=str(directory / "run.jsonl"), own_run=True, overhead_budget=budget)
    recorder = Recorder(settings, clock=clock)
    wrapped = twin(calculator, recorder)
    atoms = Atoms("Ar")
    with pytest.MonkeyPatch.context() as patch:
        # CPU times come from the same clock; the journal thread uses none outside calls.
        patch.setattr(row_maker, "thread_time_ns", clock)
        patch.setattr(recorders, "time", SimpleNamespace(thread_time_ns=lambda: 0, monotonic=time.monotonic))
        for _ in range(calls):
            wrapped.calculate(atoms, ["energy"], ["positions"])
        recorder.end("closed")
    return read_records()


def _sampled(records: Records) -> list[int]:
    return [row["start_ns"] for row in records.calls if "rss_bytes" in row]


def test_a_recorder_within_its_budget_samples_every_10_ms(working_directory: Path) -> None:
    records = _run(working_directory, cost_ns=1, budget=0.01)
    assert records.of("notice") == []
    times = _sampled(records)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps
    assert min(gaps) >= SAMPLE_EVERY_NS
    assert max(gaps) <= SAMPLE_EVERY_NS + 2 * STEP_NS


@pytest.mark.parametrize("budget", [1e-6, 0.0])
def test_a_recorder_over_its_budget_samples_half_as_often_and_reports_it(
    budget: float, working_directory: Path
) -> None:
    records = _run(working_directory, cost_ns=4_000, budget=budget)
    notices = [each for each in records.of("notice") if each["kind"] == "sampling-thinned"]
    assert [notice["details"]["least_every_ns"] for notice in notices] == [RAREST_SAMPLE_NS]
    gaps = [later - earlier for earlier, later in pairwise(_sampled(records))]
    assert RAREST_SAMPLE_NS <= max(gaps) <= RAREST_SAMPLE_NS + 20 * STEP_NS
    assert all(notice["level"] == "info" for notice in notices)
    assert len(_sampled(records)) < 20_000 * STEP_NS / SAMPLE_EVERY_NS / 5
    # Only the sampling is thinned; every call keeps its row.
    assert [row["index"] for row in records.calls] == list(range(20_000))


def _states_of_two_seconds(monkeypatch: pytest.MonkeyPatch, cost_ns: Callable[[int], int]) -> int:
    """Count the states of 400 calls of 5 ms; reading the n-th one takes `cost_ns(n)`."""
    now = 0
    sampler = Sampler(lambda: now, 0, Notices("r", lambda _: None, lambda: now), 0.01)
    monkeypatch.setattr(samplers, "are_others", lambda *_: False)
    streak, watch = SimpleNamespace(last_call=-1), SimpleNamespace(phase=None)
    lane: Any = SimpleNamespace(
        same_energy=streak, zero_forces=streak, watch=watch, last_positions=None, verlet=-1
    )
    read = 0

    def read_state(index: int, *_: object) -> State:
        nonlocal now, read
        now += cost_ns(read)
        read += 1
        return State(index=index)

    monkeypatch.setattr(samplers, "read_state", read_state)
    for index in range(400):
        now += 5_000_000
        sampler.state(index, now, {}, None, None, UNSET, lane)
    return read


def test_readings_that_other_programs_interrupt_do_not_end_those_of_a_short_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = _states_of_two_seconds(monkeypatch, lambda _: 100_000)
    busy = _states_of_two_seconds(monkeypatch, lambda number: 4_000_000 if number % 3 else 100_000)
    large = _states_of_two_seconds(monkeypatch, lambda _: 4_000_000)
    assert usual >= 25
    assert busy >= 20
    assert large <= 5
