"""`sweep` refuses options that do nothing, prints commands that work, and ends as batch systems expect."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.experiments.sweep.cells import cell, manifest_of, with_factories, write_journal

from instrumented_calc.cli import main
from instrumented_calc.experiments.sweep.manifest import write_manifest


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--cluster slurm", "--engine dask"),
        ("--cluster local --engine processes", "--engine dask"),
        ("--memory 4GB", "--engine dask"),
        ("--per-gpu", "--engine dask"),
        ("--walltime 01:00:00", "--engine dask"),
        ("--scheduler-address tcp://head:8786", "--engine dask"),
        ("--workers 2", "--engine processes or dask"),
        ("--engine dask --memory 4GB", "--cluster slurm or htcondor"),
        ("--engine dask --cluster htcondor --memory 4GB --walltime 01:00:00", "--cluster slurm"),
        ("--engine dask --scheduler-address tcp://head:8786 --workers 2", "--scheduler-address"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(options, words, capsys):
    write_manifest(manifest_of(cell()), Path("s.json"))
    assert main(["sweep", "run", "s.json", *options.split()]) == 2
    said = capsys.readouterr().err
    assert "does nothing" in said
    assert words in said
    assert not Path("s").exists()


def test_the_printed_commands_find_the_same_cells_in_odd_folders(capsys):
    done, left = cell(), cell(replicate=2)
    folder = Path("two words")
    folder.mkdir()
    write_manifest(manifest_of(done, left), folder / "s.json")
    write_journal(done, folder / "other" / "x.jsonl")
    assert main(["sweep", "gather", "two words/s.json", "-o", "two words/other"]) == 1
    command = capsys.readouterr().err.partition("htcondor: ")[2]
    program, *words = shlex.split(command)
    assert program == "instrumented-calc"
    assert main(words) == 0
    assert Path("NEW-FOLDER/keys.txt").read_text(encoding="utf-8").split() == [left.key]
    then = capsys.readouterr().out.partition("then: instrumented-calc ")[2]
    assert main(shlex.split(then)) == 1
    assert "1 of 2 cells done" in capsys.readouterr().out


def test_a_cell_that_is_ended_by_sigterm_is_worth_another_try(tmp_path, monkeypatch):
    with_factories(tmp_path, monkeypatch)
    one = cell("factories.py:Slow", steps=10_000)
    write_manifest(manifest_of(one), Path("s.json"))
    command = (sys.executable, "-m", "instrumented_calc", "sweep", "run-cell", "s.json", one.key)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not [*Path("s").glob("*.attempt-*")]:
            time.sleep(0.05)
        children = psutil.Process(process.pid).children()
        assert len(children) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 75
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
