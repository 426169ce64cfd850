"""A cell runs in a new process, and is done if and only if its journal says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.experiments.sweep.cells import cell, files, with_factories
from tests.support import read_records

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.sweep.results import ResultFolder
from instrumented_calc.experiments.sweep.run_cell import (
    CELL_DONE,
    CELL_FAILED,
    CELL_KILLED,
    CELL_UNUSABLE,
    run_cell,
)


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    with_factories(tmp_path, monkeypatch)
    return ResultFolder(tmp_path / "out")


def test_a_cell_leaves_its_journal_and_its_figures_and_is_not_run_again(results, monkeypatch):
    # Of an MPI rank and a job of a batch system, which name journals and series otherwise.
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "3")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("INSTRUMENTED_CALC_JOURNALS", "/nowhere")
    one = cell()
    end = run_cell(one, results)
    assert (end.code, end.words) == (CELL_DONE, "")
    assert files(results) == {f"{one.key}.jsonl", f"{one.key}.json"}
    records = read_records(results.journal(one.key))
    assert records.all[0]["series"] == one.key
    assert records.all[0]["environment"]["threads_wanted"]["OMP_NUM_THREADS"] == "1"
    assert len(records.calls) == one.steps + 1
    figures = json.loads(results.figures(one.key).read_text(encoding="utf-8"))
    assert (figures["n_atoms"], figures["host"], figures["problems"]) == (4, end.host, [])
    assert figures["us_per_atom"] == pytest.approx(figures["median_ms"] * 1e3 / 4)
    before = results.journal(one.key).stat()
    results.figures(one.key).unlink()
    assert run_cell(one, results).code == CELL_DONE
    assert results.journal(one.key).stat() == before
    assert json.loads(results.figures(one.key).read_text(encoding="utf-8")) == figures


def test_a_complete_attempt_that_was_not_renamed_counts(results):
    one = cell()
    assert run_cell(one, results).code == CELL_DONE
    run_id = results.find_done(one.key).run_id
    results.journal(one.key).rename(results.new_attempt(one.key))
    results.figures(one.key).unlink()
    assert results.find_done(one.key).run_id == run_id
    assert run_cell(one, results).code == CELL_DONE
    assert files(results) == {f"{one.key}.jsonl", f"{one.key}.json"}
    assert results.find_done(one.key).run_id == run_id


def test_a_torn_journal_and_that_of_another_cell_do_not_count(results):
    one, two = cell(), cell(replicate=2)
    assert run_cell(one, results).code == CELL_DONE
    content = results.journal(one.key).read_bytes()
    results.journal(two.key).write_bytes(content)
    assert results.find_done(two.key) is None
    for end in (-1, -200, 100, 0):  # without the line break of `run_end`, in it, in the first record, nothing
        results.journal(one.key).write_bytes(content[:end])
        assert results.find_done(one.key) is None
    results.journal(one.key).write_bytes(content[:-1])
    assert run_cell(one, results).code == CELL_DONE
    assert results.journal(one.key).read_bytes() != content
    (torn,) = results.attempts(one.key)
    assert torn.read_bytes() == content[:-1]


def test_a_cell_that_fails_leaves_an_attempt_that_does_not_count(results):
    one = cell("factories.py:Breaks")
    end = run_cell(one, results)
    assert end.code == CELL_FAILED
    assert "MemoryError: no room" in end.words
    assert results.find_done(one.key) is None
    (attempt,) = results.attempts(one.key)
    assert "MemoryError: no room" in read_records(attempt).end["failure_message"]
    assert not results.figures(one.key).exists()


def test_a_cell_that_is_killed_is_worth_another_try(results):
    one = cell("factories.py:Dies")
    end = run_cell(one, results)
    assert (end.code, end.words) == (CELL_KILLED, "ended by SIGKILL, as the kernel does when memory runs out")
    assert run_cell(one, results).code == CELL_DONE
    (attempt,) = results.attempts(one.key)
    records = read_records(attempt)
    assert records.calls
    assert records.all[-1]["event"] != "run_end"  # a call, or on a slow machine a sample of its state


def test_an_unknown_calculator_and_a_time_limit_have_their_codes(results):
    end = run_cell(cell("no-such"), results)
    assert (end.code, end.words.partition(";")[0]) == (CELL_UNUSABLE, "unknown calculator 'no-such'")
    end = run_cell(cell("factories.py:Slow", steps=10_000), results, time_limit_s=4)
    assert (end.code, end.words.partition(";")[0]) == (CELL_FAILED, "stopped at the time limit of 4 s")


def test_a_folder_that_cannot_be_made_is_one_line():
    Path("file").touch()
    with pytest.raises(ExperimentError, match=r"cannot write .*give another --output"):
        run_cell(cell(), ResultFolder(Path("file/out")))
