"""Journals that belong together are found from any one of them."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from instrumented_calc.journal import records
from instrumented_calc.journal.relatives import with_relatives


@pytest.fixture
def write(tmp_path):
    """Return a writer of journals that have only a first record."""

    def write(name, run_id, after_s=0.0, **links):
        started = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=after_s)
        options = {"command": ["python", "md.py"], "directory": "/home/me", **links}
        start = records.RunStart(records.SCHEMA, run_id, started.isoformat(), 1, "0.2.0", **options)
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(msgspec.json.Encoder().encode_lines([start]))
        return path

    return write


def names(*paths):
    """Return the names of the journals that belong together with some."""
    return sorted(path.name for path in with_relatives(paths))


def test_a_pool_is_found_from_its_parent_and_from_each_worker(write):
    pool = [
        write("run.jsonl", "a"),
        write("run.pid7.jsonl", "b", 1, parent_run_id="a"),
        write("run.pid8.jsonl", "c", 2, parent_run_id="a"),
        write("run.pid9.jsonl", "d", 3, parent_run_id="c"),
    ]
    write("run-2.jsonl", "e")
    write("run-2.pid7.jsonl", "f", parent_run_id="e")
    for path in pool:
        assert names(path) == [each.name for each in pool]
    assert with_relatives(pool[:1]) == pool, "the given one first, then in order of their start"
    assert with_relatives(pool[::-1]) == pool[::-1]


def test_workers_whose_parent_has_no_journal_find_each_other(write):
    first, second = (
        write("w.pid7.jsonl", "b", parent_run_id="a"),
        write("w.pid8.jsonl", "c", parent_run_id="a"),
    )
    assert names(second) == names(first) == ["w.pid7.jsonl", "w.pid8.jsonl"]


def test_a_copy_of_a_journal_is_not_counted_twice(write):
    write("a-copy.jsonl", "b", parent_run_id="a")
    write("b.jsonl", "b", parent_run_id="a")
    path = write("run.jsonl", "a")
    write("run-copy.jsonl", "a")
    assert len(names(path)) == 2
    assert names(path, path.with_name("run-copy.jsonl"))[1:] == ["run-copy.jsonl", "run.jsonl"]


def test_the_parts_of_a_requeued_job_are_found(write):
    slurm = records.Environment(scheduler={"name": "SLURM", "job_id": "12"})
    job = {"series": "SLURM 12", "environment": slurm}
    parts = [write(f"run-{n}.jsonl", str(n), 1000 * n, **job) for n in range(3)]
    write("other.jsonl", "x", command=["python", "plot.py"], **job)
    write("later.jsonl", "y", series="SLURM 13", environment=slurm)
    assert [names(path) for path in parts] == [[each.name for each in parts]] * 3
    named = [write(f"{n}.jsonl", n, series="mine", command=[n]) for n in ("relax", "sample")]
    assert [names(path) for path in named] == [["relax.jsonl", "sample.jsonl"]] * 2


def test_ranks_that_ran_together_are_found(write):
    first = [write(f"run.rank{n}.jsonl", f"a{n}", n, rank=n) for n in range(3)]
    second = [write(f"run.rank{n}-2.jsonl", f"b{n}", 100 + n, rank=n) for n in range(2)]
    write("elsewhere.jsonl", "x", 1, rank=1, directory="/home/you")
    write("late.jsonl", "y", 5000, rank=3)
    write("single.jsonl", "z", 1)
    for ranks in (first, second):
        for path in ranks:
            assert names(path) == sorted(each.name for each in ranks)


def test_what_is_no_journal_is_passed_over(write, tmp_path):
    path = write("run.jsonl", "a")
    write(".hidden.jsonl", "b", parent_run_id="a")
    write("folder/run.jsonl", "c", parent_run_id="a")
    (tmp_path / "text.jsonl").write_text('{"event":"run_start","run_id":7}\n')
    (tmp_path / "deep.jsonl").write_text("[" * 100_000)
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe\0")
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    missing = tmp_path / "missing.jsonl"
    assert with_relatives([path, missing]) == [path, missing]
    assert with_relatives([]) == []
