"""Journals damaged by crashes, copies and editors: intact records count, and the damage is reported."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from tests.journal.buckets import bucket_of
from tests.journal.specimens import MS, call, encoded, start

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal.first_energies import FIRST, read_energies
from instrumented_calc.journal.reader import Journal, read_journal
from instrumented_calc.journal.records import Lane, Slice, describe_fields
from instrumented_calc.journal.validation import validate_journal
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.report import build_report

if TYPE_CHECKING:
    from pathlib import Path

LANE = Lane(lane=0, calculator="net.Net", seen_by="twin")
ROWS = [call(0, lane=0, n_atoms=8, energy_ev=1.0), *(call(n, energy_ev=float(n)) for n in range(1, 10))]
LINES = encoded(start(), LANE, *ROWS).splitlines(keepends=True)
WHOLE = b"".join(LINES)


@pytest.fixture
def read(tmp_path):
    def of(content: bytes) -> Journal:
        path = tmp_path / "run.jsonl"
        path.write_bytes(content)
        return read_journal(path)

    return of


def notices(journal: Journal) -> str:
    summary = summarize(journal)
    return render_text(build_report([ReadRun(summary, judge(summary))])).partition("Notices\n")[2]


@pytest.mark.parametrize("damage", [b"\xff" * 40 + b"\n", b"{}\n", b"", b"\0" * 300])
def test_without_its_first_line_a_journal_has_all_rows_and_no_start(read, damage):
    journal = read(damage + b"".join(LINES[1:]))
    assert journal.calls.index.tolist() == list(range(10))
    assert journal.start is None
    assert not journal.environment.cpu
    assert "The first record is lost" in notices(journal)


def test_the_end_of_a_journal_has_its_rows_but_not_fields_of_earlier_ones(read):
    at = WHOLE.index(LINES[6]) - 20
    calls = read(WHOLE[at:]).calls
    assert calls.index.tolist() == list(range(4, 10))
    assert set(calls.n_atoms.tolist()) == {-1}


def test_nul_bytes_separate_what_stands_beside_them(read):
    journal = read(b"".join([*LINES[:4], b"\0" * 5000, *LINES[4:6], b"\0", *LINES[6:]]) + b"\0" * 100)
    assert journal.calls.index.tolist() == list(range(10))
    assert journal.bad_lines == 0
    assert journal.damage.empty_bytes == 5101
    assert "5.10 kB of the file are NUL bytes" in notices(journal)


def test_a_cut_line_does_not_spoil_the_one_that_it_runs_into(read):
    journal = read(b"".join([*LINES[:4], LINES[4][:30], *LINES[5:]]))
    assert journal.calls.index.tolist() == [0, 1, 3, 4, 5, 6, 7, 8, 9]
    assert journal.bad_lines == 1


def test_a_row_that_lacks_only_its_newline_counts_beside_rubbish(read):
    journal = read(b"".join([*LINES[:4], LINES[4].rstrip() + b'7,"x":1}\n', *LINES[5:]]))
    assert journal.calls.index.tolist() == list(range(10))


def test_after_lost_lines_carried_fields_are_unknown_until_a_row_has_them(read):
    again = encoded(call(7, lane=0, n_atoms=8), call(8))
    calls = read(b"".join([*LINES[:5], b"rubbish\n", *LINES[6:9]]) + again).calls
    assert calls.n_atoms.tolist() == [8, 8, 8, -1, -1, -1, 8, 8]
    assert calls.lane.tolist() == [0, 0, 0, -1, -1, -1, 0, 0]


@pytest.mark.parametrize(
    "odd", [b"rubbish\n", b"\0", b'{"event":"call","index":1\n', b'{"event":"call","index":"x"}\n']
)
def test_every_row_beside_damage_counts_and_only_its_own_fields_are_known(read, odd):
    rows = [call(n, n_atoms=n) if n % 5 == 0 else call(n) for n in range(1000)]
    journal = read(
        encoded(start()) + b"".join(encoded(row) + odd * (n % 3 == 0) for n, row in enumerate(rows))
    )
    expected, known = [], -1
    for n in range(1000):
        known = n if n % 5 == 0 else known
        expected.append(known)
        known = -1 if n % 3 == 0 else known
    assert journal.calls.index.tolist() == list(range(1000))
    assert journal.calls.n_atoms.tolist() == expected
    numbers = [each.number for each in journal.first_bad]
    assert numbers == sorted(numbers)


def test_bad_lines_are_reported_in_order_whatever_their_kind(read):
    bad_row = b'{"event":"call","index":"x"}\n'
    journal = read(LINES[0] + b"".join([LINES[2], bad_row, LINES[3], b"rubbish\n"] * 3))
    assert [each.number for each in journal.first_bad] == [3, 5, 7, 9, 11]
    assert journal.bad_lines == 6


def test_rows_that_occur_twice_count_once(read):
    journal = read(b"".join([*LINES[:8], *LINES[4:8], *LINES[8:]]))
    assert journal.calls.index.tolist() == list(range(10))
    assert journal.damage.repeated == 4
    assert "4 records repeated, counted once" in notices(journal)


def test_a_slice_that_occurs_twice_counts_once(read):
    fields = {"nested": 0, "failed": 0, "unchanged": 0, "gap_ns": 0, "atom_calls": 0, "squares_ns2": 1e13}
    histogram = [(bucket_of(MS), 10)]
    thin = Slice(0, 10 * MS, calls=10, wall_ns=10 * MS, min_ns=MS, max_ns=MS, histogram=histogram, **fields)
    journal = read(WHOLE + 2 * encoded(thin))
    assert summarize(journal).evaluations.calls == 20
    assert journal.damage.repeated == 1


def test_rows_that_contradict_each_other_are_reported(read):
    other = call(3)
    other.wall_ns = 5
    journal = read(WHOLE + encoded(other))
    assert journal.calls.wall_ns.max() == journal.calls.wall_ns[6]
    assert journal.damage.conflicting == 1
    assert "another row of the same call has different times" in notices(journal)


def test_blocks_in_another_order_are_reported_and_carry_nothing_over(read):
    rows = [call(n) for n in range(3000)]
    rows[0].n_atoms, rows[1000].n_atoms, rows[2000].n_atoms = 8, 16, 32
    moved = encoded(start(), *rows[:1000], *rows[1500:2500], *rows[1000:1500], *rows[2500:])
    journal = read(moved)
    known = dict(zip(journal.calls.index.tolist(), journal.calls.n_atoms.tolist(), strict=True))
    assert [known[n] for n in (5, 1600, 2100, 1200, 2600)] == [8, -1, 32, 16, -1]
    assert journal.damage.misplaced == 500
    assert "out of order" in notices(journal)


def test_of_two_runs_in_one_file_the_first_is_read(read):
    other = encoded(start("other"), LANE, *(call(n) for n in range(50)))
    journal = read(WHOLE + other)
    assert (len(journal.calls), journal.start.run_id) == (10, "specimen")
    assert "52 lines of another run from line 13, not read" in notices(journal)


def test_a_beginning_that_occurs_twice_is_not_another_run(read):
    journal = read(b"".join([*LINES[:5], *LINES[:3], *LINES[5:]]))
    assert journal.calls.index.tolist() == list(range(10))
    assert journal.damage.other_run_lines == 0


DESCRIBED = encoded(start(), describe_fields(), LANE, *ROWS).splitlines(keepends=True)
FIELDS = DESCRIBED[1]


@pytest.mark.parametrize(
    "fields",
    [
        *(FIELDS[:at] + b"\0" + FIELDS[at + 1 :] for at in (2, 10, 100, 500, 3000, len(FIELDS) - 5)),
        FIELDS[:500] + b"#" + FIELDS[501:],
        FIELDS[:500] + b"\n",
        FIELDS[:500],
        FIELDS[500:],
        FIELDS[FIELDS.index(b'{"event":"run_start"') : FIELDS.index(b"}") + 1] + b"\n",
        b"",
    ],
)
def test_a_damaged_description_of_the_fields_costs_no_row(read, fields):
    journal = read(b"".join([DESCRIBED[0], fields, *DESCRIBED[2:]]))
    assert journal.calls.index.tolist() == list(range(10))
    assert journal.start.run_id == "specimen"
    assert journal.damage.other_run_lines == 0
    energies = read_energies(journal.path)
    assert len(energies) == 10


@pytest.mark.parametrize("at", range(0, 60, 3))
def test_one_changed_letter_of_the_first_line_costs_no_row(read, at):
    damaged = LINES[0][:at] + b"x" + LINES[0][at + 1 :]
    assert read(damaged + b"".join(LINES[1:])).calls.index.tolist() == list(range(10))


def test_within_a_damaged_line_the_start_of_another_run_counts(read):
    other = encoded(start("other"), *(call(n) for n in range(50)))
    journal = read(WHOLE + LINES[-1][:20] + other)
    assert (len(journal.calls), journal.start.run_id) == (10, "specimen")
    assert journal.damage.other_run_lines == 51


UTF_16 = [b"\xff\xfe", b"\xfe\xff"]
COMPRESSED = [b"\x1f\x8b\x08", b"PK\x03\x04", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"BZh91"]


@pytest.mark.parametrize("signature", UTF_16 + COMPRESSED)
def test_the_signature_of_another_format_before_or_over_a_journal_costs_no_row(read, signature):
    for content in (signature + WHOLE, signature + WHOLE[len(signature) :]):
        journal = read(content)
        assert journal.calls.index.tolist() == list(range(10))
        assert validate_journal(journal.path).problem_count


@pytest.mark.parametrize("between", [b"\r", b"", b" ", b"\r\t"])
@pytest.mark.parametrize("rows", [10, 20_000])
def test_lines_that_are_joined_are_read(read, between, rows):
    content = encoded(start(), describe_fields(), LANE, *(call(n, energy_ev=-1.0) for n in range(rows)))
    journal = read(content.replace(b"\n", between))
    assert journal.calls.index.tolist() == list(range(rows))
    assert journal.start.run_id == "specimen"
    assert journal.damage.long_lines == 0


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(read):
    journal = read(b"\xef\xbb\xbf" + WHOLE.replace(b"\n", b"\r\n"))
    assert journal.calls.index.tolist() == list(range(10))
    assert journal.start.run_id == "specimen"
    assert journal.bad_lines == 0


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (gzip.compress(WHOLE), "gunzip"),
        (WHOLE.decode().encode("utf-16"), "UTF-16"),
        (b"\0" * 100_000, "binary data"),
        (b'{"event":"job done","level":"info"}\n' * 3, "JSON of another kind"),
    ],
)
def test_other_files_are_refused_and_their_type_is_named(tmp_path, content, expected):
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    for use in (read_journal, validate_journal):
        with pytest.raises(JournalReadError, match=expected) as caught:
            use(path)
        assert "\n" not in str(caught.value)


def test_validation_names_each_kind_of_damage(read, tmp_path):
    read(b"".join([LINES[1], *LINES[3:5], b"\0" * 9, LINES[0]]))
    reasons = [each.reason for each in validate_journal(tmp_path / "run.jsonl").problems]
    assert reasons == [
        "the first record is not a `run_start`",
        "NUL bytes",
        "`run_start` after other records",
    ]


def test_the_first_energy_after_lost_lines_is_not_that_of_the_first_geometry(tmp_path: Path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(WHOLE)
    assert read_energies(path)[0].place == FIRST
    path.write_bytes(b"".join([LINES[0], b"rubbish\n", *LINES[5:]]))
    assert read_energies(path)[0].place != FIRST
