"""Rows on their way to the journal: none lost, none doubled, and no one waits."""

from __future__ import annotations

import os
import pkgutil
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.support import read_records

from instrumented_calc.capture.rows.component_names import MOST_NAMES
from instrumented_calc.capture.rows.outbox import AT_ONCE, Context, Outbox
from instrumented_calc.capture.rows.thinning import Thinner
from instrumented_calc.journal import encoding
from instrumented_calc.journal import writer as writer_module
from instrumented_calc.journal.records import Call, Lane, Notice, Phase, State
from instrumented_calc.journal.writer import JournalWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., Outbox]

ONE = Context(lane=0, phase=None, n_atoms=4, properties=["energy"], changes=["positions"])
OTHER = Context(lane=1, phase=2, n_atoms=4, properties=["energy"], changes=["positions"])


@pytest.fixture
def make() -> Iterator[Make]:
    """Give a maker of outboxes, each with a journal."""
    writers = []

    def make(limit: int = 10**9) -> Outbox:
        writers.append(JournalWriter(Path("run.jsonl"), on_trouble=lambda _: None))
        return Outbox(writers[-1], limit)

    yield make
    for writer in writers:
        writer.close()


def _call(index: int, context: Any = ONE, **fields: Any) -> Call:
    return Call(index, context, start_ns=1000 * index, wall_ns=900, **fields)


def test_rows_are_written_in_order_and_each_once(make: Make) -> None:
    outbox = make()
    for index in range(5):
        outbox.rows.append(_call(index))
        assert outbox.drain()
        assert outbox.drain()
    outbox.rows += [_call(5), Notice(kind="a", text="b"), _call(6)]
    assert outbox.drain()
    assert outbox.rows == []
    assert outbox.calls == 7
    assert [row["index"] for row in read_records().calls] == list(range(7))
    assert [record["event"] for record in read_records().all[-3:]] == ["call", "notice", "call"]


def test_fields_equal_to_the_previous_row_are_not_written_again(make: Make) -> None:
    outbox = make()
    outbox.rows += [_call(0), _call(1), _call(2, OTHER), _call(3, OTHER), _call(4)]
    outbox.drain()
    outbox.rows += [_call(5), _call(6, OTHER)]
    outbox.drain()
    rows = read_records().of("call")
    carried = [sorted(set(row) & {"lane", "phase", "n_atoms", "properties"}) for row in rows]
    everything = ["lane", "n_atoms", "phase", "properties"]
    changed = ["lane", "phase"]
    assert carried == [everything, [], changed, [], changed, [], changed]
    assert [row["lane"] for row in read_records().calls] == [0, 0, 1, 1, 0, 0, 1]
    assert [row["phase"] for row in read_records().calls] == [None, None, 2, 2, None, None, 2]


def test_who_does_not_want_to_wait_leaves_the_rows_to_the_thread_that_drains(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = make()
    inside, go_on = threading.Event(), threading.Event()
    push = JournalWriter.push

    def slow(writer: JournalWriter) -> None:
        if writer.waiting:
            inside.set()
            assert go_on.wait(30)
        push(writer)

    monkeypatch.setattr(JournalWriter, "push", slow)
    outbox.rows.append(_call(0))
    drainer = threading.Thread(target=outbox.drain)
    drainer.start()
    assert inside.wait(30)
    outbox.rows.append(_call(1))
    assert outbox.drain(timeout=0) is False
    assert outbox.drain(timeout=0.01) is False
    assert len(outbox.rows) == 1
    go_on.set()
    drainer.join(30)
    assert outbox.drain(timeout=0)
    assert [row["index"] for row in read_records().calls] == [0, 1]


def test_rows_of_many_threads_are_all_written_while_others_drain(make: Make) -> None:
    outbox = make()
    stop = threading.Event()

    def append(first: int) -> None:
        for index in range(first, first + 5000):
            outbox.rows.append(_call(index))

    def drain(timeout: float) -> None:
        while not stop.is_set():
            outbox.drain(timeout=timeout)

    drainers = [threading.Thread(target=drain, args=(timeout,)) for timeout in (0, -1)]
    appenders = [threading.Thread(target=append, args=(5000 * n,)) for n in range(4)]
    for thread in drainers + appenders:
        thread.start()
    for thread in appenders:
        thread.join(60)
    stop.set()
    for thread in drainers:
        thread.join(60)
    outbox.drain()
    indices = [row["index"] for row in read_records().calls]
    assert sorted(indices) == list(range(20_000))
    for first in range(0, 20_000, 5000):
        mine = [index for index in indices if first <= index < first + 5000]
        assert mine == sorted(mine)


@pytest.mark.parametrize("limit", [10**9, 100], ids=["plain", "thinned"])
def test_a_drain_ends_while_rows_arrive_as_fast_as_they_are_encoded(
    make: Make, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = make(limit)
    outbox.rows.append(_call(0))
    outbox.drain()
    hand_over = Outbox._hand_over
    written: list[int] = []

    def noted(_: JournalWriter) -> None:
        written.append(outbox.calls)

    def and_more_arrive(outbox: Outbox) -> None:
        hand_over(outbox)
        outbox.rows += [_call(index) for index in range(1000)]

    monkeypatch.setattr(Outbox, "_hand_over", and_more_arrive)
    monkeypatch.setattr(JournalWriter, "push", noted)
    outbox.rows += [_call(index) for index in range(1, 5001)]
    outbox.drain()
    assert 5000 < outbox.calls <= 5001 + AT_ONCE
    assert max(later - earlier for earlier, later in pairwise(written)) <= AT_ONCE


@pytest.mark.parametrize(
    ("odd", "kept"),
    [
        (Notice(kind="mark", text="x\udcff"), {"text": "x\\udcff"}),
        (Notice(kind="mark", text="x", details={"y": object(), "z": 1}), {"details": {"z": 1}}),
        (_call(9, OTHER, step=object()), {"index": 9, "lane": 1}),
        (_call(9, OTHER, energy_ev=1j), {"index": 9, "lane": 1}),
        (_call(9, OTHER, components={"\udc80": 3}), {"components": {"\\udc80": 3}}),
        (_call(9, Context(0, None, 4, np.array(["energy"] * 2), True)), {"properties": ["energy"] * 2}),
    ],
    ids=["surrogates", "object", "odd field", "complex", "odd name", "arrays"],
)
def test_an_odd_record_is_kept_as_far_as_it_can_be_and_costs_no_other(
    make: Make, odd: Any, kept: dict[str, Any]
) -> None:
    outbox = make()
    outbox.rows += [_call(0), odd, _call(10, OTHER)]
    outbox.drain()
    outbox.rows.append(_call(11, OTHER))
    outbox.drain()
    records = read_records()
    assert outbox._writer.lost == 0
    assert len(records.all) == 4
    assert kept.items() <= records.all[1].items()
    assert [row["lane"] for row in records.calls[-2:]] == [1, 1]


def test_a_record_without_a_required_field_is_lost_alone_and_counted(make: Make) -> None:
    outbox = make()
    outbox.rows += [_call(0), Notice(kind="mark", text=object()), _call(1)]
    outbox.drain()
    assert [row["index"] for row in read_records().calls] == [0, 1]
    assert outbox._writer.lost == 1


def test_a_record_that_contains_itself_is_survived(make: Make) -> None:
    outbox = make()
    endless: dict[str, Any] = {}
    endless["again"] = endless
    outbox.rows += [_call(0), Notice(kind="mark", text="x", details=endless), _call(1)]
    outbox.drain()
    assert len(read_records().all) == 3


def test_rows_are_encoded_one_by_one_if_memory_is_short(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: Any) -> bytes:
        raise MemoryError

    monkeypatch.setattr(encoding, "_encode_lines", exhausted)
    outbox = make()
    outbox.rows += [_call(index) for index in range(100)]
    outbox.drain()
    assert [row["index"] for row in read_records().calls] == list(range(100))


STRUCK = [
    "instrumented_calc.capture.rows.outbox._fill",
    "instrumented_calc.capture.rows.outbox.lines_of",
    "os.write",
]


@pytest.mark.parametrize("where", STRUCK)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_ctrl_c_anywhere_in_a_drain_neither_loses_nor_doubles_a_row(
    make: Make, where: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = make()
    owner, name = pkgutil.resolve_name(where.rpartition(".")[0]), where.rpartition(".")[2]
    real = getattr(owner, name)
    armed = [True]

    def strike(*args: Any) -> Any:
        result = real(*args) if after else None
        if armed:
            armed.clear()
            raise KeyboardInterrupt
        return result if after else real(*args)

    outbox.rows += [_call(0), _call(1), _call(2, OTHER), _call(3), _call(4, OTHER)]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, strike)
        with pytest.raises(KeyboardInterrupt):
            outbox.drain()
    outbox.rows.append(_call(5, OTHER))
    drainer = threading.Thread(target=outbox.drain)  # the locks are free again
    drainer.start()
    drainer.join(30)
    rows = read_records().calls
    assert [row["index"] for row in rows] == list(range(6))
    assert [row["lane"] for row in rows] == [0, 0, 1, 0, 1, 1]
    assert (outbox.calls, outbox._writer.lost) == (6, 0)


def test_ctrl_c_while_calls_are_summed_costs_one_at_most_and_counts_it(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = make(limit=100)
    outbox.rows.append(_call(0))
    outbox.drain()
    assert outbox.thinned
    add = Thinner.add

    def strike(thinner: Thinner, row: Call, *args: Any) -> bool:
        if row.index == 3:
            raise KeyboardInterrupt
        return add(thinner, row, *args)

    monkeypatch.setattr(Thinner, "add", strike)
    outbox.rows += [_call(index) for index in range(1, 6)]
    with pytest.raises(KeyboardInterrupt):
        outbox.drain()
    outbox.drain(closing=True)
    (part,) = read_records().of("slice")
    assert (part["calls"], outbox.calls, outbox._writer.lost) == (4, 6, 1)


def test_while_a_write_hangs_rows_are_encoded_and_bounded(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "WAITING_LIMIT", 10_000)
    outbox = make()
    hangs, answers = threading.Event(), threading.Event()
    write = os.write

    def hang(fd: int, data: bytes) -> int:
        hangs.set()
        assert answers.wait(60)
        return write(fd, data)

    monkeypatch.setattr(os, "write", hang)
    outbox.rows.append(_call(0))
    drainer = threading.Thread(target=outbox.drain)
    drainer.start()
    assert hangs.wait(30)
    for start in range(1, 20_001, 100):
        outbox.rows += [_call(index) for index in range(start, start + 100)]
        outbox.relieve()
        assert outbox.rows == []
        assert outbox._writer.waiting < 100_000
    answers.set()
    drainer.join(30)
    outbox.rows.append(_call(20_001))
    outbox.drain()
    rows = read_records().calls
    assert rows[-1]["index"] == 20_001
    assert rows[-1]["n_atoms"] == 4
    assert len(rows) + outbox._writer.lost == outbox.calls == 20_002


def test_names_that_users_invent_are_bounded_and_nothing_of_their_time_is_lost(make: Make) -> None:
    outbox = make()
    for index in range(1000):
        outbox.rows.append(_call(index, components={f"frame-{index}": 3, "graph": 5}))
    outbox.drain()
    records = read_records()
    names = Counter[str]()
    for row in records.calls:
        names.update(row["components"])
    assert sum(names.values()) == 8000
    assert names["graph"] == 5000
    assert len(names) == MOST_NAMES + 1
    assert names["*other spans*"] == 3 * (1000 - (MOST_NAMES - 1))
    assert [notice["kind"] for notice in records.of("notice")] == [] or len(records.of("notice")) == 1


@pytest.mark.parametrize("kind", ["marks", "lanes", "phases", "states", "all"])
def test_past_the_limit_no_kind_of_record_makes_the_journal_grow(make: Make, kind: str) -> None:
    limit = 100_000
    outbox = make(limit)
    outbox.rows += [_call(index) for index in range(2000)]
    outbox.drain()
    assert outbox.thinned
    makers: dict[str, Callable[[int], Any]] = {
        "marks": lambda n: Notice(kind="mark", text=f"frame {n}" * 5),
        "lanes": lambda n: Lane(lane=n, calculator="x.Y", seen_by="twin"),
        "phases": lambda n: Phase(phase=n, driver="x.Y", kind="md", index=n),
        "states": lambda n: State(index=n, kinetic_ev=1.0, conserved_ev=2.0),
    }
    chosen = makers.values() if kind == "all" else [makers[kind]]
    for n in range(5000):
        outbox.rows += [one(n) for one in chosen]
        if n % 50 == 0:
            outbox.drain()
    outbox.drain()
    assert Path("run.jsonl").stat().st_size < 1.10 * limit + 2_000
    outbox.note_omissions()
    outbox.drain()
    everything = read_records().all
    began = next(n for n, each in enumerate(everything) if each.get("kind") == "journal-thinned")
    *written, last = everything[began + 1 :]
    assert len(written) > 10
    assert last["kind"] == "records-left-out"
    # Rations know a notice from a mark, so the one on thinning is among them.
    assert len(written) + last["details"]["records"] == 5000 * len(list(chosen))


def test_after_dropped_rows_the_next_one_says_everything_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = make()
    outbox.rows.append(_call(0))
    outbox.drain()
    with monkeypatch.context() as patch:
        patch.setattr(JournalWriter, "accept", lambda _, __, rows, ___: rows.clear())
        outbox.rows.append(_call(1, OTHER))
        outbox.drain()
    outbox.rows.append(_call(2, OTHER))
    outbox.drain()
    last = read_records().of("call")[-1]
    assert (last["index"], last["lane"], last["phase"], last["n_atoms"]) == (2, 1, 2, 4)


def test_a_new_file_begins_with_the_opening_records(make: Make) -> None:
    outbox = make()
    outbox.rows += [_call(0), _call(1)]
    outbox.drain()
    Path("run.jsonl").unlink()
    outbox.restart_in([Lane(lane=0, calculator="x.Y", seen_by="twin")])
    outbox.rows.append(_call(2))
    outbox.drain()
    records = read_records()
    assert [record["event"] for record in records.all] == ["lane", "call"]
    assert records.of("call")[0]["n_atoms"] == 4
    assert outbox._writer.lost == 2
    assert outbox.calls == 3


def test_names_are_written_as_lists_of_text(make: Make) -> None:
    outbox = make()
    odd = Context(lane=0, phase=None, n_atoms=None, properties="energy", changes=("cell", 3))
    outbox.rows.append(_call(0, odd))
    outbox.drain()
    (row,) = read_records().of("call")
    assert (row["properties"], row["changes"], row["n_atoms"]) == (["energy"], ["cell", "3"], None)
