"""`instrumented-calc scale` with real processes: finished cells are kept, unfinished ones are run once."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.reporting.html.pages import Page
from tests.support import read_records

import instrumented_calc
from instrumented_calc.cli import main
from instrumented_calc.journal.vocabulary import THREAD_COUNTS

SOURCE = {**os.environ, "PYTHONPATH": str(Path(instrumented_calc.__file__).parents[1])}
FACTORY = """
import time
import numpy as np
from ase.calculators.calculator import Calculator, all_changes

class Constant(Calculator):
    implemented_properties = ["energy", "forces"]
    seconds = 0.004

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        time.sleep(self.seconds)
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}

class Breaks(Constant):
    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        if len(atoms) > 10:
            raise MemoryError("no room")
        super().calculate(atoms, properties, system_changes)

class Nan(Constant):
    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] *= np.nan

def unbuilt():
    raise RuntimeError("no weights\\nin this folder")

class Slow(Constant):
    seconds = 0.4
"""


@pytest.fixture(autouse=True)
def factories(tmp_path, monkeypatch):
    (tmp_path / "factories.py").write_text(FACTORY)
    monkeypatch.setenv("PYTHONPATH", SOURCE["PYTHONPATH"])


def scale(*arguments: str) -> int:
    return main(["scale", "--output", "out", *arguments])


def journals() -> list[str]:
    return sorted(path.name for path in Path("out").glob("*.jsonl") if "attempt" not in path.name)


def attempts() -> list[str]:
    """Return the cells that were begun and not finished."""
    return sorted(path.name.partition(".")[0] for path in Path("out").glob("*.attempt-*.jsonl"))


def test_broken_simulations_are_named(capsys):
    calc = f"{Path('factories.py').absolute()}:Nan"
    assert scale("--calc", calc, "--sizes", "4", "--replicates", "1", "--steps", "12") == 0
    assert "BROKEN n000004-r1.jsonl: " in capsys.readouterr().out
    words = ["--calc", calc, "--n-atoms", "4", "--steps", "12", "--output", "models"]
    assert main(["compare-all", *words, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert "not numbers since step 0" in row["broken"]


def test_an_error_of_several_lines_is_told_whole(capsys):
    calc = f"{Path('factories.py').absolute()}:unbuilt"
    assert scale("--calc", calc, "--sizes", "4", "--replicates", "1", "--steps", "3") != 0
    assert "no weights in this folder" in capsys.readouterr().err


def test_an_exponent_of_real_dynamics_from_fresh_pinned_processes(capsys):
    assert scale("--sizes", "4,32,108", "--replicates", "1", "--steps", "12", "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert math.isfinite(found["exponent"]["value"])
    assert [each["n_atoms"] for each in found["sizes"]] == [4, 32, 108]
    assert [each["runs"] for each in found["sizes"]] == [1, 1, 1]
    starts = [read_records(path).all[0] for path in Path("out").glob("*.jsonl")]
    assert len({each["pid"] for each in starts}) == 3
    for each in starts:
        assert each["environment"]["threads_wanted"]["OMP_NUM_THREADS"] == "1"
        assert {pool["threads"] for pool in each["environment"]["threads_effective"]} == {1}


@pytest.mark.slow
def test_a_page_is_written_into_the_folder_that_the_command_makes(capsys):
    assert scale("--sizes", "4,8,32", "--replicates", "1", "--steps", "5", "--html", "out/r.html") == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err.splitlines()[-1]) == ("", f"wrote {Path('out/r.html')}")
    page = Page(Path("out/r.html").read_text(encoding="utf-8"))
    assert page.values("class").count("bucket") == 3
    assert scale("--sizes", "4", "--html", "no/such/r.html") == 5
    assert "no such folder; give another --html" in capsys.readouterr().err


@pytest.mark.slow
def test_a_size_that_fails_is_one_line_and_the_others_are_kept(capsys):
    assert scale("--calc", "factories:Breaks", "--sizes", "4,8,32", "--replicates", "2", "--steps", "3") == 1
    seen = capsys.readouterr()
    assert seen.err.count("failed: 32 atoms") == 1
    assert "MemoryError: no room" in seen.err
    assert journals() == ["n000004-r1.jsonl", "n000004-r2.jsonl", "n000008-r1.jsonl", "n000008-r2.jsonl"]
    assert "Sizes" in seen.out


def test_a_cell_beyond_the_time_limit_is_stopped(capsys):
    calc = ("--calc", "factories:Slow", "--sizes", "4", "--replicates", "1")
    assert scale(*calc, "--steps", "500", "--time-limit", "2.5") == 1
    assert "stopped at the time limit of 2.5 s" in capsys.readouterr().err
    assert journals() == []


@pytest.mark.slow
def test_only_missing_runs_are_repeated(capsys):
    sizes = ("--sizes", "4,32", "--replicates", "2", "--steps", "3")
    assert scale(*sizes) == 0
    Path("out/n000032-r2.jsonl").unlink()
    before = {path: path.stat().st_mtime_ns for path in Path("out").glob("n*.jsonl")}
    capsys.readouterr()
    assert scale(*sizes) == 0
    assert "3 finished cells reused" in capsys.readouterr().err
    assert len(journals()) == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_a_killed_scale_continues_where_it_stopped():
    command = [
        sys.executable,
        "-m",
        "instrumented_calc",
        "scale",
        "--output",
        "out",
        "--calc",
        "factories:Slow",
    ]
    command += ["--sizes", "4,8", "--replicates", "2", "--steps", "3"]
    with subprocess.Popen(
        command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=SOURCE
    ) as process:
        deadline = time.monotonic() + 60
        # Into the second cell.
        while time.monotonic() < deadline and not (journals() and attempts()):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    finished = journals()
    assert len(finished) == 1
    assert scale(*command[6:]) == 0
    assert len(journals()) == 4
    records = [read_records(Path("out") / name) for name in journals()]
    assert all(each.end["reason"] == "closed" for each in records)
    assert all(len(each.calls) == 4 for each in records)
    assert len(attempts()) == 1  # of the cell that was killed


def test_a_journal_counts_if_it_is_complete_and_of_this_cell(capsys):
    sizes = ("--sizes", "4,8", "--replicates", "1", "--steps", "3")
    assert scale(*sizes) == 0
    four, eight = (Path("out") / name for name in journals())
    content = eight.read_bytes()
    four.write_bytes(content)  # of another cell
    eight.write_bytes(content[:-20])
    capsys.readouterr()
    assert scale(*sizes) == 0
    assert "reused" not in capsys.readouterr().err
    assert [read_records(path).calls[0]["n_atoms"] for path in (four, eight)] == [4, 8]
    assert attempts() == ["n000004-r1", "n000008-r1"]


@pytest.mark.slow
def test_cells_of_other_settings_are_not_mixed(capsys):
    assert scale("--sizes", "4", "--replicates", "1", "--steps", "2") == 0
    capsys.readouterr()
    assert scale("--sizes", "4", "--replicates", "1", "--steps", "3") == 5
    assert capsys.readouterr().err == (
        "error: out has cells with steps 2, not 3: give another --output, or the same settings\n"
    )
    # More sizes and replicates are not other settings.
    assert scale("--sizes", "4,8", "--replicates", "1", "--steps", "2") == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--sizes", "4,many"], 2, "--sizes"),
        (["--sizes", "0"], 2, "of at least 1"),
        (["--system", "cooper"], 5, "copper"),
        (["--calc", "emmt", "--sizes", "4"], 5, "did you mean emt?"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, code, words):
    assert scale(*arguments) == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ")
    assert words in last


@pytest.mark.slow
def test_the_true_number_of_atoms_is_reported_and_used(capsys):
    assert scale("--system", "silicon", "--calc", "factories:Constant", "--sizes", "9", "--steps", "2") == 0
    seen = capsys.readouterr()
    assert "note: 9 atoms requested; silicon has 8" in seen.err
    assert journals() == ["n000008-r1.jsonl", "n000008-r2.jsonl", "n000008-r3.jsonl"]


def test_every_thread_variable_of_the_numerical_libraries_is_pinned():
    assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"} <= set(
        THREAD_COUNTS
    )
