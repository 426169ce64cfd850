"""Small journals with one thing planted in them, judged by all rules."""

from __future__ import annotations

import msgspec
import pytest

from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import read_journal

MS = 1_000_000
PLAIN = records.Environment(python="CPython 3.12", affinity=4, memory_bytes=16_000_000_000)


class Run:
    """A run of MD under construction: calls of 2 ms, 0.1 ms apart.

    Args:
        n: Number of calls.
        environment: The machine.
        model: An integration's evidence about the model.
        kind: Kind of the driver; None: there is none.
        ensemble: The ensemble.
    """

    def __init__(self, n, environment=PLAIN, model=None, kind="md", ensemble="NVT", **lane):
        self.environment = environment
        self.lane = records.Lane(lane=0, calculator="m.C", seen_by="twin", **lane)
        if model is not None:
            self.lane.model = model
        self.phase = records.Phase(phase=0, driver="m.Driver", kind=kind or "", index=0, ensemble=ensemble)
        self.driven = kind is not None
        self.calls = [records.Call(index=each, wall_ns=2 * MS, gap_ns=MS // 10) for each in range(n)]
        self.others = []
        for each, call in enumerate(self.calls):
            if self.driven:
                call.step = max(each - 1, 0)
            # no machine is that even, and tests of spread need some
            call.wall_ns += each * 7919 % 1000 * 50
        if n:
            first = self.calls[0]
            first.lane, first.n_atoms, first.changes = 0, 32, ["positions"]
            if self.driven:
                first.phase = 0

    def every(self, field, value, rows=None):
        """Set a field of some rows; `value` is given the row's number."""
        for each in range(len(self.calls)) if rows is None else rows:
            setattr(self.calls[each], field, value(each))
        return self

    def also(self, *others):
        self.others += others
        return self

    def records(self):
        now = 0
        for call in self.calls:
            now += call.gap_ns if call.gap_ns is not msgspec.UNSET else 0
            call.start_ns = now
            now += call.wall_ns
        start = records.RunStart(
            schema=records.SCHEMA,
            run_id="r",
            started="2026-01-01T00:00:00Z",
            pid=1,
            version="0.1.0",
            environment=self.environment,
        )
        return [start, self.lane, *[self.phase] * self.driven, *self.calls, *self.others]


@pytest.fixture
def summary_of(tmp_path):
    def summarized(run):
        path = tmp_path / "run.jsonl"
        path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in run.records()))
        return summarize(read_journal(path))

    return summarized


@pytest.fixture
def found(summary_of):
    """Judge a run and return the finding of one rule."""

    def finding(run, rule):
        return next(each for each in judge(summary_of(run)) if each.rule == rule)

    return finding


@pytest.fixture
def verdict(found):
    return lambda run, rule: found(run, rule).verdict


@pytest.fixture
def make():
    return Run
