"""The ends of journals, whole and damaged, small and large."""

import pytest
from tests.fleets import Made, write_run

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal.excerpt import WHOLE_BYTES, read_excerpt
from instrumented_calc.journal.reader import read_journal


def test_a_small_journal_is_read_whole(tmp_path):
    path = write_run(tmp_path / "a.jsonl", Made(calls=60))
    found = read_excerpt(path)
    assert found.whole
    assert not found.torn
    assert found.damaged_lines == 0
    assert [row.index for row in found.rows] == list(range(60))
    assert found.start.run_id == "a"
    assert found.end.counters.calls == found.counters.calls == 60
    assert found.lanes[0].formula == "Cu32"
    assert found.phases[0].timestep_fs == 1.0


def test_of_a_large_journal_its_ends_and_samples_between_are_read(tmp_path):
    path = write_run(tmp_path / "a.jsonl", Made(calls=20_000))
    assert path.stat().st_size > 3 * WHOLE_BYTES
    found = read_excerpt(path)
    indices = [row.index for row in found.rows]
    assert not found.whole
    assert found.damaged_lines == 0
    assert (indices[0], indices[-1]) == (0, 19_999)
    assert indices == sorted(set(indices))
    assert sum(5_000 < each < 15_000 for each in indices) > 100
    assert found.end is not None
    whole = read_journal(path)
    read = {row.index: row.wall_ns for row in found.rows}
    assert all(whole.calls.wall_ns[index] == wall for index, wall in read.items())


@pytest.mark.parametrize("cut", [1, 30, 500])
def test_a_journal_that_was_cut_has_no_end_and_may_be_torn(tmp_path, cut):
    path = write_run(tmp_path / "a.jsonl", Made(ended=False))
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    found = read_excerpt(path)
    assert found.end is None
    assert found.torn is (cut > 1)  # without the last newline alone the record is whole
    assert 50 <= len(found.rows) <= 60


def test_damaged_lines_are_counted_and_the_others_read(tmp_path):
    path = write_run(tmp_path / "a.jsonl", Made())
    lines = path.read_bytes().split(b"\n")
    lines[10] = lines[10][:20] + b"\xff\xff" + lines[10][22:]
    lines[20] = b"\0" * 500
    lines[30] = b'{"event":"of a later version","number":1}'
    path.write_bytes(b"\n".join(lines))
    found = read_excerpt(path)
    assert found.damaged_lines == 1
    assert len(found.rows) == 57
    assert found.end is not None


def test_a_journal_without_its_first_line_still_counts(tmp_path):
    path = write_run(tmp_path / "a.jsonl", Made())
    path.write_bytes(path.read_bytes().partition(b"\n")[2])
    found = read_excerpt(path)
    assert found.start is None
    assert len(found.rows) == 60
    assert found.environment.host is not None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\0" * 9000, "empty"),
        (b"\x1f\x8b\x08abc", "gunzip"),
        (b"a,b\n1,2\n", "begins with 'a,b'"),
        (b'{"event":"run_start","schema":"instrumented-calc/9"}\n', "needs a newer"),
        (b'{"a": 1}\n', "JSON of another kind"),
    ],
)
def test_other_files_are_refused_with_the_reason(tmp_path, content, why):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(JournalReadError, match=why):
        read_excerpt(path)


def test_folders_and_missing_files_are_refused(tmp_path):
    with pytest.raises(JournalReadError, match="is a directory"):
        read_excerpt(tmp_path)
    with pytest.raises(JournalReadError, match="No such file"):
        read_excerpt(tmp_path / "none.jsonl")
