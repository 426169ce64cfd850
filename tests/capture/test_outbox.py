"""Rows on their way to the journal: none lost, none doubled, and nobody waits."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import read_records

from instrumented_calc.capture.outbox import Context, Outbox
from instrumented_calc.journal.records import Call, Lane, Notice
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


def test_what_a_row_shares_with_the_one_before_is_not_written_again(make: Make) -> None:
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
    write = JournalWriter.write

    def slow(writer: JournalWriter, lines: bytes) -> bool:
        inside.set()
        assert go_on.wait(30)
        return write(writer, lines)

    monkeypatch.setattr(JournalWriter, "write", slow)
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


def test_a_row_that_json_cannot_hold_is_lost_alone_and_counted(make: Make) -> None:
    outbox = make()
    outbox.rows += [_call(0), _call(1, OTHER, step=object()), _call(2, OTHER)]
    outbox.drain()
    outbox.rows.append(_call(3, OTHER))
    outbox.drain()
    records = read_records()
    assert [row["index"] for row in records.calls] == [0, 2, 3]
    assert outbox._writer.lost == 1
    assert records.calls[-1]["lane"] == 1  # said again, since the row that said it is lost


def test_ctrl_c_before_rows_are_written_counts_them_as_lost(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = make()

    def strike(rows: list[Any]) -> bytes:
        raise KeyboardInterrupt

    outbox.rows += [_call(0), _call(1)]
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "_encode", strike)
        with pytest.raises(KeyboardInterrupt):
            outbox.drain()
    outbox.rows.append(_call(2))
    threading.Thread(target=outbox.drain).start()  # the lock is free again
    assert outbox.drain(timeout=30)
    assert [row["index"] for row in read_records().calls] == [2]
    assert read_records().calls[0]["n_atoms"] == 4
    assert outbox._writer.lost == 2


def test_after_dropped_rows_the_next_one_says_everything_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = make()
    outbox.rows.append(_call(0))
    outbox.drain()
    with monkeypatch.context() as patch:
        patch.setattr(JournalWriter, "write", lambda *_: False)
        outbox.rows.append(_call(1, OTHER))
        outbox.drain()
    outbox.rows.append(_call(2, OTHER))
    outbox.drain()
    last = read_records().of("call")[-1]
    assert (last["index"], last["lane"], last["phase"], last["n_atoms"]) == (2, 1, 2, 4)


def test_a_new_file_begins_with_what_opens_a_journal(make: Make) -> None:
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
