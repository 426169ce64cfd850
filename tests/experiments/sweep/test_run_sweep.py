"""A sweep runs every cell once, continues after whatever was killed, and ends when it is interrupted."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from tests.experiments.sweep.cells import TWENTY_FOUR, cell, complete, files, manifest_of, with_factories
from tests.support import read_records

from instrumented_calc.cli import main
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.sweep.calculator_files import hash_of_files
from instrumented_calc.experiments.sweep.local_engine import local_engine, places_for
from instrumented_calc.experiments.sweep.manifest import write_manifest
from instrumented_calc.experiments.sweep.results import ResultFolder
from instrumented_calc.experiments.sweep.run_cell import CELL_FAILED, CELL_KILLED
from instrumented_calc.experiments.sweep.run_sweep import RETRIES, in_random_rounds, run_sweep
from instrumented_calc.experiments.sweep.status import status_of

SWEEP = (sys.executable, "-m", "instrumented_calc", "sweep")


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    with_factories(tmp_path, monkeypatch)
    return ResultFolder(tmp_path / "out")


def of(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        (*SWEEP, *words, "--output", "out"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def energies(results: ResultFolder, manifest) -> dict[str, list[float]]:
    """Return the energies of each cell's calls: equal cells give equal ones, bit for bit."""
    return {
        key: [each["energy_ev"] for each in read_records(results.journal(key)).calls]
        for key in manifest.cells
    }


def test_replicates_come_in_rounds_of_random_order():
    cells = [cell(n_atoms=n, replicate=r) for n in range(1, 51) for r in (1, 2)]
    order = in_random_rounds(cells)
    assert [each.replicate for each in order] == [1] * 50 + [2] * 50
    sizes = [each.n_atoms for each in order]
    assert sizes[:50] != sorted(sizes[:50])
    assert sizes[:50] != sizes[50:]
    assert order == in_random_rounds(cells)
    assert {each.key for each in order} == {each.key for each in cells}


def test_places_are_processors_divided_by_threads():
    assert 1 <= places_for(1) <= (os.cpu_count() or 1)
    assert places_for(10_000) == 1


def test_what_is_done_is_not_run_again_and_what_was_killed_is(results):
    sweep = manifest_of(cell(), cell("factories.py:Dies"))
    seen = []
    with local_engine(2) as engine:
        first = run_sweep(sweep, results.folder, engine, on_cell=lambda *words: seen.append(words))
    assert (first.reused, first.failures) == (0, [])
    assert seen[-1] == ("cells", 2, 2)
    assert files(results) >= complete(sweep)
    before = {path: path.stat().st_mtime_ns for path in results.folder.iterdir()}
    with local_engine(1) as engine:
        again = run_sweep(sweep, results.folder, engine)
    assert (again.reused, again.failures) == (2, [])
    assert {path: path.stat().st_mtime_ns for path in results.folder.iterdir()} == before


@pytest.mark.slow
def test_a_cell_is_given_up_after_some_tries_and_others_are_kept(results):
    sweep = manifest_of(
        cell("factories.py:Breaks"), cell("factories.py:DiesAlways"), cell("factories.py:Slow")
    )
    with local_engine(2) as engine:
        run = run_sweep(sweep, results.folder, engine)
    codes = {sweep.cells[each.key].calc: each.code for each in run.failures}
    assert codes == {"factories.py:Breaks": CELL_FAILED, "factories.py:DiesAlways": CELL_KILLED}
    assert RETRIES == 2
    assert [sweep.cells[key].calc for key in status_of(sweep, results).done] == ["factories.py:Slow"]


def test_an_edited_calculator_is_refused_even_where_its_cells_are_done(results, capsys):
    factory = "from ase.calculators.emt import EMT\ndef make():\n    return EMT()\n"
    Path("calc.py").write_text(factory, encoding="utf-8")
    sweep = manifest_of(cell("calc.py:make", calc_files=hash_of_files("calc.py:make")))
    (key,) = sweep.cells
    write_manifest(sweep, Path("s.json"))
    assert main(["sweep", "run", "s.json", "--output", "out"]) == 0
    Path("calc.py").write_text(factory + "# edited\n", encoding="utf-8")
    for words in (["run", "s.json"], ["run-cell", "s.json", key]):
        capsys.readouterr()
        assert main(["sweep", *words, "--output", "out"]) == 5
        assert capsys.readouterr().err == (
            "error: calc.py has changed since the cells were planned; plan anew with `sweep plan`\n"
        )


class Elsewhere(ThreadPoolExecutor):
    """Workers that see another folder under the name of the results."""

    def submit(self, function, each, folder, *others):
        return super().submit(function, each, f"{folder}-elsewhere", *others)


def test_a_journal_that_does_not_arrive_does_not_count(results, monkeypatch):
    monkeypatch.setattr("instrumented_calc.experiments.sweep.run_sweep.PATIENCE_S", 0.1)
    sweep = manifest_of(cell())
    with Elsewhere(1) as engine:
        run = run_sweep(sweep, results.folder, engine)
    assert [each.code for each in run.failures] == [CELL_FAILED]
    assert f"is {results.folder} a shared folder?" in run.failures[0].words


def test_a_time_limit_is_checked_before_anything_runs(results):
    with local_engine(1) as engine, pytest.raises(ExperimentError, match="time_limit_s must be a number"):
        run_sweep(manifest_of(cell()), results.folder, engine, time_limit_s=0)
    assert not results.folder.exists()


def test_ctrl_c_ends_the_cells_with_the_sweep(results):
    write_manifest(
        manifest_of(*(cell("factories.py:Slow", steps=10_000, replicate=r) for r in (1, 2))), Path("s.json")
    )
    with of("run", "s.json", "--engine", "processes", "--workers", "2") as process:
        me = psutil.Process(process.pid)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and len([*results.folder.glob("*.attempt-*")]) < 2:
            time.sleep(0.05)
        children = me.children()
        assert len(children) == 2
        process.send_signal(signal.SIGINT)  # to this process alone, not to its group as from a terminal
        assert process.wait(timeout=60) == 130
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_24_cells_inline(results):
    with local_engine(1) as engine:
        assert run_sweep(TWENTY_FOUR, results.folder, engine).failures == []
    assert files(results) == complete(TWENTY_FOUR)


def disturb(results: ResultFolder, words: tuple[str, ...], dice: random.Random) -> bool:
    """Start a command, and kill it or one of its cells at a random time; return whether it was still running.

    A few seconds: into the start of the command, of its cells, or among them, whatever the machine's speed.
    """
    with of(*words) as process:
        try:
            process.wait(timeout=dice.uniform(0.3, 6))
        except subprocess.TimeoutExpired:
            command = psutil.Process(process.pid)
            dice.choice([command, *command.children()]).kill()
            time.sleep(dice.uniform(0, 0.5))
            process.kill()
            return True
    return False


FOUR = manifest_of(*(cell("emt", n, r, steps=30) for n in (4, 8) for r in (1, 2)))


@pytest.mark.parametrize(
    ("sweep", "kills"),
    [
        # some thirty processes one after another, on a machine that may be busy
        pytest.param(FOUR, 4, id="a-few", marks=pytest.mark.timeout(280)),
        pytest.param(FOUR, 25, id="more", marks=(pytest.mark.slow, pytest.mark.timeout(1200))),
        pytest.param(TWENTY_FOUR, 200, id="many", marks=(pytest.mark.endurance, pytest.mark.timeout(3000))),
    ],
)
def test_after_random_kills_the_result_is_that_of_an_undisturbed_sweep(results, sweep, kills, tmp_path):
    write_manifest(sweep, Path("s.json"))
    dice = random.Random(kills)  # noqa: S311 - a test
    run, gather = ("run", "s.json", "--engine", "processes", "--workers", "2"), ("gather", "s.json")
    killed = 0
    while killed < kills:
        killed += disturb(results, dice.choice((run, run, run, gather)), dice)
        if dice.random() < 1 / 8:  # so that there is always something left to disturb
            results.journal(dice.choice([*sweep.cells])).unlink(missing_ok=True)
    assert main(["sweep", "run", "s.json", "--output", "out"]) == 0
    assert main(["sweep", "gather", "s.json", "--output", "out"]) == 0
    kept = {name for name in files(results) if ".attempt-" not in name and not name.endswith(".partial")}
    assert kept == complete(sweep)
    undisturbed = ResultFolder(tmp_path / "undisturbed")
    with local_engine(2) as engine:
        assert run_sweep(sweep, undisturbed.folder, engine).failures == []
    assert energies(results, sweep) == energies(undisturbed, sweep)
