"""`instrumented-calc study` with real processes: tiny runs, stalls, wrong values, modes that pretend."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tests.support import read_records

import instrumented_calc
from instrumented_calc.cli import main
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.study.arrays import as_arrays
from instrumented_calc.experiments.study.plan import Plan, tasks_of
from instrumented_calc.experiments.study.runner import run_study
from instrumented_calc.experiments.study.task import Capabilities
from instrumented_calc.experiments.study.workloads import find_workload
from instrumented_calc.integration import Case, Setting, Workload

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
SOURCES = Path(instrumented_calc.__file__).parents[1]
FACTORY = """
import time
from importlib import import_module

import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT

from instrumented_calc.experiments.study.workloads import find_workload
from instrumented_calc.integration import Case, Workload

A = np.random.default_rng(0).normal(size=(4, 3, 6, 6, 6))
X = np.random.default_rng(1).normal(size=(6, 6, 6))


def in_numpy():
    return {"value": np.array([np.einsum("mnpqr,pqr->mn", A, X) for _ in range(20)])}


def in_torch(factor=1.0):
    torch = import_module("torch")
    a, x = torch.from_numpy(A), torch.from_numpy(X)
    return lambda: {"value": factor * torch.stack([torch.einsum("mnpqr,pqr->mn", a, x) for _ in range(20)])}


def by_multiplying():
    torch = import_module("torch")
    a, x = torch.from_numpy(A).reshape(12, -1), torch.from_numpy(X).reshape(-1, 1)
    return lambda: {"value": torch.stack([(a @ x).reshape(4, 3) for _ in range(20)])}


def sleeping():
    time.sleep(600)


def failing():
    raise MemoryError("no room")


def workload(**makers):
    return Workload("planted", (Case("planted.xyz", 6, lambda setting: makers[setting.mode]()),))


def smallest():
    return Workload("einsum", find_workload("einsum").cases[:1])


def honest():
    return workload(numpy_only=lambda: in_numpy, torch_mixed=in_torch, torch_full=by_multiplying)


def pretending():
    return workload(numpy_only=lambda: in_numpy, torch_mixed=in_torch, torch_full=lambda: in_numpy)


def differing():
    return workload(numpy_only=lambda: in_numpy, torch_mixed=in_torch, torch_full=lambda: in_torch(1.0001))


def stalling():
    return workload(numpy_only=lambda: sleeping, torch_mixed=in_torch, torch_full=in_torch)


def breaking():
    return workload(numpy_only=lambda: failing, torch_mixed=in_torch, torch_full=in_torch)


def calculators():
    atoms = bulk("Cu", cubic=True)
    case = Case("copper", 4, lambda _: EMT(), atoms=atoms, properties=("energy", "forces"))
    return Workload("emt", (case,))
"""


@pytest.fixture(autouse=True)
def factories(tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text(FACTORY)
    integrations = SOURCES.parent / "integrations"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (SOURCES, integrations, tmp_path))))
    monkeypatch.syspath_prepend(str(tmp_path))


def study(*arguments: str) -> int:
    return main(["study", "--output", "out", "--seconds", "0.02", "--no-figures", *arguments])


def saved():
    return json.loads(Path("out/study.json").read_text())


@pytest.mark.parametrize(
    ("workload", "processes"), [("planted:smallest", 2), pytest.param("einsum", 8, marks=pytest.mark.slow)]
)
def test_fresh_pinned_processes_leave_tables_journals_and_evidence(workload, processes, capsys):
    assert study("--workload", workload, "--modes", "numpy_only", "--reps", "2") == 0
    assert "no times for torch_mixed and torch_full" in capsys.readouterr().out
    with Path("out/timings_local.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == processes
    assert all(float(row["wall_s"]) >= float(row["compute_s"]) > 0 for row in rows)
    journals = [read_records(path).all[0] for path in Path("out/cells").glob("*.jsonl")]
    assert len({each["pid"] for each in journals}) == processes
    answers = [json.loads(path.read_text()) for path in Path("out/cells").glob("*.json")]
    for each in answers:
        seen = each["executed"]
        assert seen["threads"]["OMP_NUM_THREADS"] == seen["threads"]["TORCH_NUM_THREADS"] == "1"
        assert set(seen["effective"].values()) == {1}
        assert not seen["torch_loaded"]
        assert seen["numpy_contractions"] == 64
        assert each["evaluations"] % 2 == 1


@pytest.mark.slow
def test_calculators_of_ase_can_be_compared(capsys):
    assert study("--workload", "planted:calculators", "--modes", "numpy_only", "--reps", "2") == 0
    assert [each["file"] for each in saved()["rows"]] == ["copper"]
    with np.load("out/cells/copper-numpy_only-float64-cpu-eager-r1.npz") as values:
        assert set(values.files) >= {"energy", "forces"}
        assert values["forces"].shape == (4, 3)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_cell_that_stalls_is_stopped_once_and_reported_with_its_place(capsys):
    for seconds in ("4", "16", "60"):  # a process on a busy machine may not even have started in time
        shutil.rmtree("out", ignore_errors=True)
        limits = ("--modes", "numpy_only", "--reps", "3", "--time-limit", seconds)
        assert study("--workload", "planted:stalling", *limits) == 1
        seen = capsys.readouterr()
        assert seen.out.count("stalled: planted.xyz numpy_only") == 1
        assert f"no end after {seconds} s" in seen.out
        if "planted.py:" in seen.out:
            break
    assert f"no end after {seconds} s, at " in seen.out
    assert "planted.py:" in seen.out
    (lost,) = saved()["lost"]
    assert lost["status"] == "stalled"


def test_a_cell_that_fails_is_one_line(capsys):
    assert study("--workload", "planted:breaking", "--modes", "numpy_only", "--reps", "2") == 1
    assert capsys.readouterr().out.count("MemoryError: no room") == 1
    assert saved()["rows"] == []


@needs_torch
def test_operations_are_seen_whatever_a_mode_calls_them():
    run = run_study(Plan("planted:honest", reps=2, seconds=0.02), Path("out"))
    assert run.differing == []
    seen = {each.mode: each.executed for each in run.cells}
    assert (seen["numpy_only"].numpy_contractions, seen["numpy_only"].torch_loaded) == (20, False)
    assert (seen["torch_mixed"].torch_contractions, seen["torch_mixed"].numpy_contractions) == (20, 0)
    assert seen["torch_full"].torch_operations >= 20
    for each in seen.values():
        assert set(each.effective.values()) == {1}
    assert seen["torch_full"].peak_rss_bytes > 0.8 * run.machine.floor_bytes
    assert seen["numpy_only"].peak_rss_bytes < 0.8 * run.machine.floor_bytes


@needs_torch
def test_a_mode_that_pretends_to_be_torch_is_refused(capsys):
    assert study("--workload", "planted:pretending", "--reps", "2") == 1
    assert saved()["refused"]
    assert "backend-label-unverified" in saved()["decisions"][0]["refused"]
    assert "REFUSED" in capsys.readouterr().out


@needs_torch
def test_a_mode_of_other_values_is_refused_without_any_ratio(capsys):
    assert study("--workload", "planted:differing", "--reps", "2") == 1
    (decision,) = saved()["decisions"]
    assert decision["refused"] == ["values-differ"]
    assert decision["ratios"] is None
    assert "no speed verdict: torch_full float64 cpu eager: value[" in capsys.readouterr().out


def test_unknown_workloads_and_modes_are_one_line(capsys):
    for arguments, words in [
        (("--workload", "einsums"), "unknown workload 'einsums'; did you mean einsum?"),
        (("--workload", "planted:missing"), "cannot be built: LookupError: planted has no 'missing'"),
        (("--modes", "numpy"), "--modes numpy: use numpy_only, torch_mixed, torch_full"),
        (("--dtypes", "double"), "--dtypes double: use float64, float32, float16"),
    ]:
        assert study(*arguments) == 5
        assert words in capsys.readouterr().err.splitlines()[-1]


def planned(machine=Capabilities("2.13.0", 1, 1e-6, ("cpu",), ()), **options):  # noqa: B008 - immutable
    workload = options.pop(
        "workload", Workload("w", (Case("a", 1, lambda _: None), Case("b", 1, lambda _: None)))
    )
    return tasks_of(Plan("w", **options), workload, machine, Path("out"))


def test_replicates_are_interleaved_in_orders_of_their_own():
    tasks, _ = planned(reps=4)
    rounds = [[task.key for task in tasks[i : i + 6]] for i in range(0, 24, 6)]
    assert [task.rep for task in tasks] == [rep for rep in (1, 2, 3, 4) for _ in range(6)]
    assert all(sorted(each) == sorted(rounds[0]) for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1
    assert planned(reps=4)[0] == tasks


def test_unsupported_devices_are_skipped_and_reported():
    machine = Capabilities("2.13.0", 1, 1e-6, ("cpu", "mps"), ("mps",))
    tasks, notes = planned(machine, dtypes=("float64", "float16"), devices=("cpu", "mps", "cuda"), reps=1)
    assert {task.tag for task in tasks if task.mode != "numpy_only"} == {
        "float64 cpu eager",
        "float16 mps eager",
    }
    assert set(notes) == {
        "skipped: torch has no cuda here",
        "skipped: mps has no float64",
        "skipped: cpu has no float16",
    }


def test_without_torch_only_numpy_can_be_asked_for():
    with pytest.raises(ExperimentError, match=r"pip install 'instrumented-calc\[torch\]'"):
        planned(Capabilities())
    assert {task.mode for task in planned(Capabilities(), modes=("numpy_only",))[0]} == {"numpy_only"}


def test_numbers_sequences_and_mappings_become_arrays():
    assert as_arrays(3.0)["value"] == 3.0
    assert as_arrays([np.zeros(2), np.ones(2)])["value"].shape == (2, 2)
    assert set(as_arrays({"energy": 1.0, "forces": np.zeros((2, 3))})) == {"energy", "forces"}


@needs_torch
def test_the_bare_contraction_has_the_same_values_in_all_modes():
    cases = find_workload("einsum").cases
    assert [case.n_atoms for case in cases] == [4, 8, 12, 16]
    for case in cases:
        settings = [Setting(mode) for mode in ("numpy_only", "torch_mixed", "torch_full")]
        first, *others = (as_arrays(case.build(setting)())["value"] for setting in settings)
        assert first.shape == (64, 7, 4)
        assert all(np.abs(each - first).max() < 1e-12 * np.abs(first).max() for each in others)
        assert [setting.into_ns > 0 for setting in settings] == [False, True, False]


def test_two_studies_never_share_a_folder(capsys):
    Path("out/cells").mkdir(parents=True)
    with Path("out/cells/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert study("--modes", "numpy_only", "--reps", "1") == 5
    assert "another study is writing to out/cells" in capsys.readouterr().err


def test_a_folder_of_cells_that_is_a_link_is_neither_emptied_nor_written(capsys):
    Path("mine").mkdir()
    Path("mine/precious.json").write_text("{}")
    Path("out").mkdir()
    Path("out/cells").symlink_to(Path("mine").absolute())
    assert study("--modes", "numpy_only", "--reps", "1") == 5
    assert "out/cells is a link" in capsys.readouterr().err
    assert [each.name for each in Path("mine").iterdir()] == ["precious.json"]


@pytest.mark.slow
def test_hotspots_come_from_a_cell_of_their_own_and_never_into_the_figures(capsys):
    Path("out").mkdir()
    Path("out/hotspots_planted_honest_torch_full.csv").write_text("of an earlier run")
    options = ("--workload", "planted:honest", "--modes", "numpy_only", "--reps", "2")
    assert study(*options, "--cprofile") == 0
    reported = capsys.readouterr().out
    assert "Hotspots under cProfile" in reported
    assert "inflates Python frames" in reported
    with Path("out/hotspots_planted_honest_numpy_only.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    (einsums,) = [row for row in rows if "c_einsum" in row["function"]]
    evaluations = int(rows[0]["evaluations"])
    assert int(einsums["calls"]) == 20 * evaluations
    assert all(float(row["cumulative_s"]) >= float(row["own_s"]) >= 0 for row in rows)
    assert sum(float(row["own_share"]) for row in rows) == pytest.approx(1.0)
    assert not Path("out/hotspots_planted_honest_torch_full.csv").exists()
    with Path("out/timings_local.csv").open() as lines:
        assert len(list(csv.DictReader(lines))) == 2
    assert not [*Path("out").rglob("*.prof")]
    assert study(*options) == 0
    assert not [*Path("out").glob("hotspots_*")]
