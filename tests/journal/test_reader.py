"""Reading journals: whole, cut, damaged and foreign ones."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal import lines as line_reader
from instrumented_calc.journal import reader, records, row_collector, row_decoder
from instrumented_calc.journal.reader import read_journal

GOLDEN = Path(__file__).parent / "golden" / "v1.jsonl"
START = records.RunStart(
    schema=records.SCHEMA, run_id="r", started="2026-01-01T00:00:00Z", pid=1, version="0.1.0"
)


def lines(*made: records.Record) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in (START, *made))


def call(index: int, **fields) -> records.Call:
    return records.Call(index=index, start_ns=100 * index, wall_ns=50, **fields)


def read(folder: Path, content: bytes) -> reader.Journal:
    path = folder / "run.jsonl"
    path.write_bytes(content)
    return read_journal(path)


def test_the_golden_journal_of_version_1_stays_readable():
    journal = read_journal(GOLDEN)
    calls = journal.calls
    assert calls.index.tolist() == [0, 1, 3, 2, 4, 7]
    assert calls.wall_ns.tolist() == [400, 300, 100, 300, 200, 400]
    assert calls.gap_ns.tolist() == [-1, 100, -1, 100, 100, 100]
    assert calls.step.tolist() == [0, 0, 1, 1, 1, 3]
    assert calls.n_atoms.tolist() == [4] * 6
    assert [calls.change_sets[code] for code in calls.changes] == [
        ("positions", "numbers", "cell", "pbc"),
        ("positions",),
        ("positions",),
        ("positions",),
        (),
        ("positions",),
    ]
    assert calls.components["forces"].tolist() == [200, 150, 0, 150, 0, 0]
    assert calls.split.tolist() == [True, True, False, True, False, False]
    assert calls.nested.tolist() == [False, False, True, False, False, False]
    assert calls.sliced.tolist() == [False] * 5 + [True]
    assert calls.failures.values == ["RuntimeError"]
    assert calls.sparse["rss_bytes"].rows.tolist() == [0, 3]
    assert calls.sparse["gc_generation"].values.tolist() == [2]
    assert journal.lanes[0].formula == "Cu4"
    assert journal.phases[0].timestep_fs == 2.0
    assert len(journal.slices) == 1
    assert journal.notices[0].text == "equilibrated"
    assert journal.counters.cache_hits == 5
    assert journal.end.reason == "closed"
    assert not journal.partial
    assert not journal.torn
    assert journal.bad_lines == 0


def test_carried_fields_hold_until_they_change_and_null_means_unknown(tmp_path):
    made = [call(0, lane=1, n_atoms=8), call(1), call(2, n_atoms=None), call(3), call(4, n_atoms=9)]
    calls = read(tmp_path, lines(*made)).calls
    assert calls.lane.tolist() == [1] * 5
    assert calls.n_atoms.tolist() == [8, 8, -1, -1, 9]
    assert calls.phase.tolist() == [-1] * 5


def test_counts_and_device_times_are_columns_with_minus_one_where_a_row_has_none(tmp_path):
    made = [
        call(0),
        call(1, counts={"edges": 1280}, device_ns={"graph": 3_000_000_000}),
        call(2, components={"graph": 5}),
        call(3, counts={"edges": 1290, "overflows": 1}),
        call(4),
    ]
    calls = read(tmp_path, lines(*made)).calls
    assert calls.counts["edges"].tolist() == [-1, 1280, -1, 1290, -1]
    assert calls.counts["overflows"].tolist() == [-1, -1, -1, 1, -1]
    assert calls.device["graph"].tolist() == [-1, 3_000_000_000, -1, -1, -1]
    assert calls.components["graph"].tolist() == [0, 0, 5, 0, 0]


def test_a_negative_count_is_as_good_as_none_and_spoils_no_row(tmp_path):
    calls = read(tmp_path, lines(call(0, counts={"edges": -4, "pairs": 2}))).calls
    assert calls.counts["edges"].tolist() == [-1]
    assert calls.counts["pairs"].tolist() == [2]


def test_counts_are_placed_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(line_reader, "CHUNK_BYTES", 150)
    made = [call(index, counts={"edges": index}) if index % 3 else call(index) for index in range(12)]
    calls = read(tmp_path, lines(*made)).calls
    assert calls.counts["edges"].tolist() == [-1, 1, 2, -1, 4, 5, -1, 7, 8, -1, 10, 11]


def test_names_of_counts_beyond_the_limit_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(row_collector, "MOST_COMPONENTS", 2)
    calls = read(tmp_path, lines(call(0, counts={"a": 1, "b": 2, "c": 3}), call(1, counts={"d": 4}))).calls
    assert list(calls.counts) == ["a", "b"]


def test_compilation_and_device_memory_are_sparse(tmp_path):
    made = [
        call(0, compile_ns={"energy": 40, "operations": 2}, device_allocated_bytes=7),
        call(1),
        call(2, compile_ns={"energy": 30}, device_reserved_bytes=9, device_free_bytes=8),
    ]
    calls = read(tmp_path, lines(*made)).calls
    assert calls.compiled.rows.tolist() == [0, 2]
    assert calls.compiled.values == [{"energy": 40, "operations": 2}, {"energy": 30}]
    assert calls.compiling.tolist() == [True, False, True]
    assert calls.sparse["device_allocated_bytes"].values.tolist() == [7]
    assert calls.sparse["device_reserved_bytes"].values.tolist() == [9]
    assert calls.sparse["device_free_bytes"].rows.tolist() == [2]


def test_a_call_compiles_when_a_call_inside_of_it_does(tmp_path):
    made = [
        call(2, parent=1, compile_ns={"f": 1}),
        call(1, parent=0),
        call(0),
        call(4, parent=3),
        call(3),
    ]
    calls = read(tmp_path, lines(*made)).calls
    assert calls.compiling.tolist() == [True, True, True, False, False]


def test_carried_fields_hold_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(line_reader, "CHUNK_BYTES", 200)
    made = [call(0, n_atoms=8), *(call(n) for n in range(1, 30)), call(30, n_atoms=9), call(31)]
    calls = read(tmp_path, lines(*made)).calls
    assert calls.n_atoms.tolist() == [8] * 30 + [9, 9]
    assert calls.index.tolist() == list(range(32))


def test_a_row_with_an_optional_field_in_place_of_a_usual_one_is_not_overlooked(tmp_path):
    made = [
        call(0, gap_ns=1, step=0, energy_ev=1.0),
        call(1, gap_ns=1, step=0, rss_bytes=5),
        call(2, parent=1),
    ]
    calls = read(tmp_path, lines(*made)).calls
    assert calls.sparse["rss_bytes"].rows.tolist() == [1]
    assert calls.nested.tolist() == [False, False, True]


def test_long_durations_widen_their_column(tmp_path):
    made = [call(0, gap_ns=1), call(1, gap_ns=10**13, components={"a": 10**12})]
    calls = read(tmp_path, lines(*made)).calls
    assert calls.gap_ns.tolist() == [1, 10**13]
    assert calls.components["a"].tolist() == [0, 10**12]


def test_component_names_beyond_the_limit_share_a_column(tmp_path, monkeypatch):
    monkeypatch.setattr(row_decoder, "MOST_COMPONENTS", 2)
    parts = {"a": 1, "b": 2, "c": 3, "d": 4}
    calls = read(tmp_path, lines(call(0, components=parts), call(1))).calls
    assert calls.components[row_decoder.REMAINING_COMPONENTS].tolist() == [7, 0]
    assert sum(int(column.sum()) for column in calls.components.values()) == 10


def test_a_torn_tail_is_not_a_bad_line(tmp_path):
    journal = read(tmp_path, lines(call(0)) + b'{"event":"call","index":1,"sta')
    assert journal.torn
    assert journal.partial
    assert journal.bad_lines == 0
    assert len(journal.calls) == 1


def test_a_last_line_that_lacks_only_its_newline_counts(tmp_path):
    journal = read(tmp_path, lines(call(0), call(1))[:-1])
    assert len(journal.calls) == 2
    assert not journal.torn


def test_bad_lines_are_counted_with_their_numbers(tmp_path):
    good = lines(call(0), call(1)).splitlines(keepends=True)
    junk = [b'{"event":"call","index":-1}\n', b"\xff\xfe\n", b"[1]\n", b'{"event":"call",\n']
    journal = read(tmp_path, b"".join([*good[:2], *junk, good[2]]))
    assert len(journal.calls) == 2
    assert journal.bad_lines == 4
    assert [bad.number for bad in journal.first_bad] == [3, 4, 5, 6]


def test_unknown_events_and_keys_are_ignored_and_counted(tmp_path):
    later = b'{"event":"resonances","x":1}\n'
    later += b'{"event":"call","index":0,"start_ns":1,"wall_ns":2,"new":3}\n'
    journal = read(tmp_path, lines() + later)
    assert journal.unknown_events == {"resonances": 1}
    assert journal.calls.wall_ns.tolist() == [2]


def test_keys_in_another_order_are_read_too(tmp_path):
    other = b'{"wall_ns":2,"index":1,"start_ns":1,"event":"call"}\n'
    journal = read(tmp_path, lines(call(0)) + other + lines(call(2)).splitlines(keepends=True)[1])
    assert journal.calls.index.tolist() == [0, 1, 2]


def test_a_journal_without_calls_is_a_journal(tmp_path):
    journal = read(tmp_path, lines())
    assert len(journal.calls) == 0
    assert journal.partial


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"\x7fELF\0\0", "binary data"),
        (b"step energy\n1 2\n", "begins with 'step energy'"),
        (b'{"event":"call","index":0}\n', "JSON of another kind"),
        (b"[1, 2]\n", "JSON of another kind"),
        (b'{"event":"run_start","sche', "its `run_start` is not usable"),
        (b'{"event":"run_start","schema":"instrumented-calc/2"}\n', "newer instrumented-calc"),
        (b'{"event":"run_start","schema":"other/1"}\n', "is unknown"),
        (b'{"event":"run_start","schema":"instrumented-calc/1"}\n', "its `run_start` is not usable"),
    ],
)
def test_anything_that_is_not_a_journal_is_refused_in_one_line(tmp_path, content, expected):
    with pytest.raises(JournalReadError) as caught:
        read(tmp_path, content)
    assert expected in str(caught.value)
    assert "run.jsonl" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_directory_are_refused(tmp_path):
    with pytest.raises(JournalReadError, match="No such file"):
        read_journal(tmp_path / "none.jsonl")
    with pytest.raises(JournalReadError, match="directory"):
        read_journal(tmp_path)


def test_an_odd_environment_does_not_spoil_the_journal(tmp_path):
    content = lines(call(0)).replace(b'"environment":{}', b'"environment":{"cpu_count":"many"}')
    journal = read(tmp_path, content)
    assert journal.start.run_id == "r"
    assert len(journal.calls) == 1


@given(cut=st.integers(0, GOLDEN.stat().st_size))
def test_a_journal_cut_anywhere_keeps_its_complete_rows(tmp_path_factory, cut):
    content = GOLDEN.read_bytes()[:cut]
    complete = [line for line in content.split(b"\n")[:-1] if line.startswith(b'{"event":"call"')]
    try:
        journal = read(tmp_path_factory.mktemp("cut"), content)
    except JournalReadError:
        assert content.count(b"\n") == 0
        return
    assert len(complete) <= len(journal.calls) <= len(complete) + 1
    assert journal.bad_lines == 0


@given(flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8))
def test_flipped_bytes_raise_nothing_but_a_journal_read_error(tmp_path_factory, flips):
    content = bytearray(GOLDEN.read_bytes())
    for place, value in flips:
        content[place % len(content)] = value
    try:
        journal = read(tmp_path_factory.mktemp("flip"), bytes(content))
    except JournalReadError:
        return
    assert len({len(journal.calls.index), len(journal.calls.lane), len(journal.calls.split)}) == 1


@given(junk=st.lists(st.tuples(st.integers(1, 40), st.binary(max_size=60)), max_size=6))
@example(junk=[(1, b"\x01\x00\x01")])
def test_junk_between_the_lines_costs_no_row(tmp_path_factory, junk):
    made = lines(*(call(index, gap_ns=1, step=index) for index in range(40))).splitlines()
    for place, text in junk:
        made.insert(place, text.replace(b"\n", b"") + b"\x00")
    journal = read(tmp_path_factory.mktemp("junk"), b"\n".join(made) + b"\n")
    assert np.array_equal(journal.calls.index, np.arange(40))
    parts = [part for _, text in junk for part in text.split(b"\0")]  # NUL bytes end a line
    assert journal.bad_lines <= len(parts)
    assert journal.damage.empty_bytes >= len(junk)


def test_a_journal_of_0_1_0_with_non_finite_numbers_stays_readable():
    journal = read_journal(GOLDEN.with_name("v1-not-finite.jsonl"))
    assert [each.non_finite for each in journal.states] == [["forces"]]
    assert journal.states[0].kinetic_ev is None
    assert journal.bad_lines == 0
    assert journal.calls.sparse["energy_not_finite"].rows.tolist() == [3]
