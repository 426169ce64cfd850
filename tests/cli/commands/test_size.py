"""`instrumented-calc size` on journals whose law is known, and on a real scaling of EMT."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.reporting.html.pages import Page
from tests.sized_runs import write_run

from instrumented_calc.analysis.sizing.run_cost import run_cost
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.cli import main
from instrumented_calc.journal.reader import read_journal


@pytest.fixture
def folder(tmp_path):
    """Return a folder as `scale` leaves it: 1 ms and 10 us per atom, 100 MB and 100 kB per atom."""
    rng, made = np.random.default_rng(0), tmp_path / "scale"
    made.mkdir()
    (made / "scale.json").write_text("{}")
    for n in (32, 108, 256, 500):
        for replicate in (1, 2, 3):
            time, memory = np.exp(rng.normal(size=2) * (0.01, 0.001))
            path = made / f"n{n:06d}-r{replicate}.jsonl"
            write_run(path, n, (1 + 0.01 * n) * time, megabytes=(100 + 0.1 * n) * memory)
    return made


def size(folder, n_atoms, *more) -> int:
    return main(["size", str(folder), "--n-atoms", str(n_atoms), "--ns", "10", *map(str, more)])


def test_the_lines_of_job_scripts_hold_the_upper_ends(folder, capsys):
    assert size(folder, 200, "--format", "json") == 0
    job = json.loads(capsys.readouterr().out)
    assert (job["steps"], job["beyond"]) == (5_000_000, 1)
    assert job["ns_per_day"]["value"] == pytest.approx(86_400 / 0.003 * 2e-6, rel=0.02)
    assert size(folder / "scale.json", 200) == 0
    text = capsys.readouterr().out
    days, hours, minutes = map(int, re.search(r"#SBATCH --time=(\d+)-(\d\d):(\d\d):00", text).groups())
    seconds = 60 * (minutes + 60 * (hours + 24 * days))
    assert 0 <= seconds - job["wall_ns"]["high"] / 1e9 < 60
    assert f"allowed_execute_duration = {seconds}\n" in text
    mebibytes = int(re.search(r"#SBATCH --mem=(\d+)M", text)[1])
    assert 0 <= mebibytes * 2**20 - job["memory"][0]["needed_bytes"]["high"] < 2**20
    assert f"request_memory = {mebibytes}\n" in text
    assert "#SBATCH --cpus-per-task=1" in text
    assert "up to 8 side by side, each with 1 processor of 8" in text or "limited by host memory" in text
    assert "EXTRAPOLATED" not in text


def test_attempts_that_failed_or_were_killed_do_not_count(folder, capsys):
    assert size(folder, 200, "--format", "json") == 0
    job = capsys.readouterr().out
    write_run(folder / "n000032-r4.attempt-0f3a9c21.jsonl", 32, 1e3, megabytes=1e4)
    assert size(folder, 200, "--format", "json") == 0
    assert capsys.readouterr().out == job


def test_a_page_has_the_lines_of_the_job_script(folder, capsys):
    assert size(folder, 1000, "--html", "r.html", "--mask") == 0
    assert capsys.readouterr() == ("", "wrote r.html\n")
    page = Page(Path("r.html").read_text(encoding="utf-8"))
    assert "Job of 1,000 atoms: 10.0 ns, 5,000,000 steps of 2.00 fs" in page.words
    assert re.search(r"15 h \d+ min \[.*\] at 15\.\d \[.*\] ns/day Extrapolated", page.words)
    assert "#SBATCH --cpus-per-task=1" in page.words
    first = next(folder.glob("*.jsonl"))
    assert size(folder, 200, "--html", first) == 5
    assert "is a journal and is not overwritten; give another --html" in capsys.readouterr().err


def test_beyond_the_measured_sizes_a_prediction_is_marked_and_far_beyond_refused(folder, capsys):
    assert size(folder, 1000) == 0
    assert "EXTRAPOLATED: 1,000 atoms, 2.0 times outside these sizes" in capsys.readouterr().out
    assert size(folder, 50_000) != 0
    error = capsys.readouterr().err
    assert "no prediction for 50,000 atoms: it is 100 times outside the measured sizes" in error
    assert error.count("\n") == 1


def test_a_run_of_the_own_program_sets_the_level(folder, capsys, tmp_path):
    write_run(tmp_path / "own.jsonl", 200, 9.0, megabytes=220)
    assert size(folder, 200, "--run", tmp_path / "own.jsonl", "--timestep", "1", "--format", "json") == 0
    job = json.loads(capsys.readouterr().out)
    assert (job["steps"], job["step_ns"]["value"]) == (10_000_000, pytest.approx(9e6))
    assert job["memory"][0]["needed_bytes"]["value"] == pytest.approx(220e6)


def test_a_folder_without_journals_says_what_to_run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("scale").mkdir()
    assert main(["size", "--n-atoms", "200", "--ns", "1"]) != 0
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "run instrumented-calc scale" in error


@pytest.mark.slow
@pytest.mark.timeout(900)  # thirteen processes, on a machine that may be busy
def test_a_real_scaling_predicts_a_larger_real_run(capsys, tmp_path):
    options = ["--steps", "60", "--output", str(tmp_path / "scale")]
    assert main(["scale", "--sizes", "32,108,256,500", "--replicates", "3", *options]) == 0
    assert (
        main(["scale", "--sizes", "864", "--replicates", "1", "--steps", "60", "-o", str(tmp_path / "o")])
        == 0
    )
    capsys.readouterr()
    code = size(tmp_path / "scale", 864, "--format", "json")
    shown = capsys.readouterr()
    if code:  # a busy machine: what it gave does not carry the prediction, and that is said
        assert "no prediction for 864 atoms" in shown.err
        return
    job = json.loads(shown.out)
    real = run_cost(summarize(read_journal(tmp_path / "o" / "n000864-r1.jsonl")))
    # Another load of the machine may change its speed between the two, but not twofold.
    assert job["step_ns"]["low"] / 2 < real.step_ns < 2 * job["step_ns"]["high"]
    assert job["memory"][0]["needed_bytes"]["value"] == pytest.approx(real.host_bytes, rel=0.1)
