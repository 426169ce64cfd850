"""A journal past its limit: small for years, and exact in every total."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import UNSET
from tests.journal.buckets import bucket_of
from tests.support import Records, read_records

from instrumented_calc.capture.rows.outbox import Context, Outbox
from instrumented_calc.capture.rows.thinning import FIRST_STRETCH_NS, OWN_SLICES, WHOLE_ROWS, Thinner
from instrumented_calc.journal.records import Call
from instrumented_calc.journal.writer import JournalWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., "Simulated"]

DAY_NS = 86_400 * 10**9


class Simulated:
    """A run of synthetic calls, and their sums.

    Args:
        limit: The journal's limit in bytes.
        seed: Of the times.
    """

    def __init__(self, limit: int, seed: int = 1) -> None:
        self.writer = JournalWriter(Path("run.jsonl"), on_trouble=lambda _: None)
        self.outbox = Outbox(self.writer, limit)
        self.truth: Counter[str] = Counter()
        self.histogram: Counter[int] = Counter()
        self.components: Counter[str] = Counter()
        self.now = 0
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._contexts: dict[Any, Context] = {}

    def calls(
        self, number: int, every_ns: int, *, phases: int = 1, odd: bool = True, batch: int = 200
    ) -> None:
        """Make calls that are handed to the journal by the batch."""
        chance = self._chance
        for index in range(number):
            wall = int(every_ns * chance.lognormvariate(-1, 0.3))
            phase = index % phases + 1 if phases > 1 else 1
            key = (phase, index % 50 == 0)
            context = self._contexts.get(key)
            if context is None:
                changes = [] if key[1] else ["positions"]
                context = Context(0, phase, 4 if phase % 2 else None, ["energy"], changes)
                self._contexts[key] = context
            row = Call(index, context, start_ns=self.now, wall_ns=wall, step=index)
            self.now += every_ns
            if odd:
                self._decorate(row, index)
            self._count(row, context)
            self.outbox.rows.append(row)
            if index % batch == 0:
                self.outbox.drain()

    def _decorate(self, row: Call, index: int) -> None:
        if index % 7 == 3:
            row.parent = index - 1
            return
        row.gap_ns = 17 + index
        if index % 1001 == 0:
            row.failure = "Planted"
        if index % 997 == 0:
            row.wall_ns *= 40
        if index % 11 == 0:
            row.rss_bytes = 10**8
        if index % 3:
            row.components = {"graph": row.wall_ns // 3, "heads": index % 5}
        if index % 13 == 0:
            row.observers_ns = index

    def _count(self, row: Call, context: Context) -> None:
        truth = self.truth
        if row.parent is not UNSET:
            truth["nested"] += 1
            return
        truth["calls"] += 1
        truth["observers_ns"] += row.observers_ns or 0
        if row.failure is not UNSET:
            truth["failed"] += 1
            return
        truth["wall_ns"] += row.wall_ns
        truth["gap_ns"] += row.gap_ns or 0
        truth["atoms"] += context.n_atoms or 0
        self.histogram[bucket_of(row.wall_ns)] += 1
        self.components.update(row.components or {})

    def finish(self) -> Records:
        """Close the journal and read it."""
        self.outbox.drain(closing=True)
        self.writer.close()
        return read_records()


@pytest.fixture
def simulated() -> Iterator[Callable[..., Simulated]]:
    """Give a maker of simulated runs."""
    made: list[Simulated] = []

    def make(*args: Any, **options: Any) -> Simulated:
        made.append(Simulated(*args, **options))
        return made[-1]

    yield make
    for run in made:
        run.writer.close()


def _assert_exact(run: Simulated, records: Records) -> None:
    """Compare rows that no slice counts, and slices, with the truth."""
    found: Counter[str] = Counter()
    histogram: Counter[int] = Counter()
    components: Counter[str] = Counter()
    for row in records.calls:
        if row.get("sliced"):
            continue
        if "parent" in row:
            found["nested"] += 1
            continue
        found["calls"] += 1
        found["observers_ns"] += row.get("observers_ns", 0)
        if "failure" in row:
            found["failed"] += 1
            continue
        found["wall_ns"] += row["wall_ns"]
        found["gap_ns"] += row.get("gap_ns", 0)
        found["atoms"] += row["n_atoms"] or 0
        histogram[bucket_of(row["wall_ns"])] += 1
        components.update(row.get("components", {}))
    for part in records.of("slice"):
        for name in ("calls", "nested", "failed", "wall_ns", "gap_ns"):
            found[name] += part[name]
        found["atoms"] += part["atom_calls"]
        found["observers_ns"] += part.get("observers_ns", 0)
        histogram.update(dict(part["histogram"]))
        components.update(part.get("components", {}))
        assert sum(count for _, count in part["histogram"]) == part["calls"] - part["failed"]
    assert found == run.truth
    assert histogram == run.histogram
    assert components == run.components


def test_totals_from_slices_and_rows_are_exact(simulated: Run) -> None:
    run = simulated(300_000)
    run.calls(60_000, every_ns=2_000_000)
    records = run.finish()
    assert len(records.of("slice")) > 5
    assert len([row for row in records.calls if not row.get("sliced")]) > 500
    assert any("failure" in row for row in records.calls if row.get("sliced"))
    _assert_exact(run, records)
    assert run.outbox.calls == run.truth["calls"] + run.truth["nested"] == 60_000


def test_rows_shown_of_a_slice_are_counted_in_it_and_marked(simulated: Run) -> None:
    run = simulated(300_000)
    run.calls(30_000, every_ns=2_000_000)
    records = run.finish()
    began = next(n for n, each in enumerate(records.all) if each["event"] == "notice")
    assert records.all[began]["kind"] == "journal-thinned"
    shown = [each for each in records.all[began:] if each["event"] == "call"]
    assert shown
    assert all(row["sliced"] is True for row in shown)
    # A row that others have left the journal around says everything itself.
    assert all({"lane", "phase", "properties", "changes"} <= set(row) for row in shown)
    slow = [row for row in shown if "failure" not in row and "rss_bytes" not in row]
    usual = run.truth["wall_ns"] / run.truth["calls"]
    assert slow
    assert min(row["wall_ns"] for row in slow) > 2 * usual


@pytest.mark.parametrize(
    ("limit", "number", "every_ns"),
    [
        (300_000, 60_000, 10**9),  # one call per second
        pytest.param(1_000_000, 300_000, 10**9, marks=pytest.mark.slow),
        pytest.param(3_000_000, 300_000, 10**7, marks=pytest.mark.slow),
        pytest.param(1_000_000, 100_000, 10**12, marks=pytest.mark.slow),  # 3 years of slow ones
    ],
)
def test_a_long_run_stays_within_its_limit(limit: int, number: int, every_ns: int, simulated: Run) -> None:
    run = simulated(limit)
    run.calls(number, every_ns, batch=max(2 * 10**9 // every_ns, 1))
    records = run.finish()
    _assert_exact(run, records)
    assert limit <= Path("run.jsonl").stat().st_size <= 1.10 * limit


@pytest.mark.slow
def test_a_million_calls_of_drivers_that_take_turns_stay_within_the_limit(simulated: Run) -> None:
    run = simulated(1_000_000)
    run.calls(300_000, every_ns=10**7, phases=2, odd=False)
    run.calls(100_000, every_ns=10**7, phases=1000, odd=False)
    records = run.finish()
    _assert_exact(run, records)
    assert Path("run.jsonl").stat().st_size <= 1.10 * 1_000_000
    assert {part.get("phase") for part in records.of("slice")} >= {None, 1, 2}


def test_each_of_a_few_drivers_has_slices_of_its_own(simulated: Run) -> None:
    run = simulated(60_000)
    run.calls(20_000, every_ns=10**6, phases=2, odd=False)
    records = run.finish()
    rows = Counter(row["phase"] for row in records.calls if not row.get("sliced"))
    for part in records.of("slice"):
        rows[part["phase"]] += part["calls"]
    assert rows == {1: 10_000, 2: 10_000}


def test_memory_does_not_grow_with_the_run(simulated: Run) -> None:
    run = simulated(200_000)
    run.calls(5_000, every_ns=10**7)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        run.calls(20_000, every_ns=10**7)
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert after - before < 300_000  # one batch and one histogram, not 20 000 rows
    assert run.outbox.thinned


def _slices(thinner: Thinner) -> list[Any]:
    out: list[Any] = []
    thinner.close_into(out, passed=0)
    return out


def test_one_stretch_shows_few_rows_however_many_fail() -> None:
    thinner = Thinner(10**6)
    row = Call(0, start_ns=0, wall_ns=10, failure="Planted")
    shown = [thinner.add(row, 1, None, None) for _ in range(1000)]
    assert sum(shown) == WHOLE_ROWS
    (part,) = _slices(thinner)
    assert (part.calls, part.failed, part.histogram, part.wall_ns) == (1000, 1000, [], 0)


def test_drivers_beyond_a_few_share_a_slice() -> None:
    thinner = Thinner(10**6)
    for phase in range(1, 100):
        thinner.add(Call(phase, start_ns=phase, wall_ns=10), phase, None, None)
    parts = _slices(thinner)
    assert len(parts) == OWN_SLICES + 1
    assert sum(part.calls for part in parts) == 99
    assert [part.phase for part in parts] == [1, 2, 3, 4, UNSET]
    assert (parts[-1].start_ns, parts[-1].end_ns) == (5, 109)


def test_a_slice_spans_its_calls_also_when_an_outer_one_ends_last() -> None:
    thinner = Thinner(10**6)
    thinner.add(Call(1, start_ns=100, wall_ns=50, parent=0), 1, [], 4)
    thinner.add(Call(0, start_ns=90, wall_ns=200, step=7), 1, [], 4)
    (part,) = _slices(thinner)
    assert (part.start_ns, part.end_ns) == (90, 290)
    assert (part.calls, part.nested, part.unchanged, part.atom_calls) == (1, 1, 1, 4)
    assert (part.min_ns, part.max_ns, part.squares_ns2) == (200, 200, 40_000)
    assert (part.first_step, part.last_step) == (7, 7)
    assert _slices(thinner) == []


def test_a_stretch_is_a_second_at_first_and_never_long_beside_the_run() -> None:
    thinner = Thinner(20_480_000)  # the room of the usual limit
    now, stretches = 0, []
    while now < 365 * DAY_NS:
        thinner.add(Call(0, start_ns=now, wall_ns=1), 1, None, None)
        end = now + FIRST_STRETCH_NS
        while not thinner.due(end):
            end += FIRST_STRETCH_NS if end - now < 60 * 10**9 else (end - now) // 60
        stretches.append((now, end - now))
        now = end
        _slices(thinner)
        thinner.spent(1500)
    assert stretches[0] == (0, FIRST_STRETCH_NS)
    assert all(length <= max(60 * 10**9, 0.03 * begun) for begun, length in stretches)
    assert 1500 * len(stretches) < 20_480_000
