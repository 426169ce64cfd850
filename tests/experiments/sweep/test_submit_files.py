"""Submit files of a sweep, and the wrapper as on a node: in a folder with only the transferred files."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import instrumented_calc
from instrumented_calc.cli import main
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.sweep.cell import SweepCell
from instrumented_calc.experiments.sweep.manifest import SweepManifest, read_manifest, write_manifest
from instrumented_calc.experiments.sweep.submit.batch_job import BatchJob
from instrumented_calc.experiments.sweep.submit.emit import emit_htcondor, emit_slurm
from instrumented_calc.journal.reader import read_journal

SOURCE = str(Path(instrumented_calc.__file__).parents[1])
SLEEPING = """
import time
from ase.calculators.emt import EMT

class Sleeping(EMT):
    def calculate(self, *given, **more):
        time.sleep(0.05)
        super().calculate(*given, **more)
"""


def manifest_of(*calcs, name="metals", replicates=1, steps=5):
    cells = [
        SweepCell(calc, "copper", 32, number + 1, steps, 1, 300.0, 0)
        for calc in calcs
        for number in range(replicates)
    ]
    return SweepManifest(name, {each.key: each for each in cells})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def node(emitted, *more):
    """Return a folder with only what the submit file transfers, and the start of a process in it."""
    text = (emitted / "sweep.sub").read_text()
    line = next(each for each in text.splitlines() if each.startswith("transfer_input_files"))
    scratch = emitted.parent / "scratch"
    scratch.mkdir()
    for name in ["cell.sh", *line.partition(" = ")[2].split(", "), *more]:
        copy = shutil.copytree if (emitted / name).is_dir() else shutil.copy
        copy(emitted / name, scratch / name)
    return scratch


def start(scratch, key):
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, "HOME": str(scratch)}
    return subprocess.Popen(
        ["./cell.sh", key],
        cwd=scratch,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_for_calls(scratch, number):
    """Wait until the returned journal has some calls."""
    journal, deadline = scratch / "cell.jsonl", time.monotonic() + 90
    while time.monotonic() < deadline:
        if journal.exists() and journal.read_bytes().count(b'\n{"event":"call"') > number:
            return
        time.sleep(0.1)
    pytest.fail("the cell did not start")


def test_the_cells_that_are_not_done_are_emitted_for_slurm(folder, capsys):
    write_manifest(manifest_of("emt", "lj", replicates=4), folder / "sweep.json")
    options = "--at-most 2 --array-size 3 --memory 4GB --walltime 00:30:00 --gpus 1"
    assert main(["sweep", "emit", "slurm", "sweep.json", *options.split()]) == 0
    shown = capsys.readouterr().out
    assert "8 of 8 cells in sweep-slurm" in shown
    assert "sbatch sweep-3.sbatch" in shown
    scripts = [(folder / f"sweep-slurm/sweep-{number}.sbatch").read_text() for number in (1, 2, 3)]
    arrays = [line for text in scripts for line in text.splitlines() if "--array" in line]
    assert arrays == ["#SBATCH --array=1-3%2", "#SBATCH --array=1-3%2", "#SBATCH --array=1-2%2"]
    assert ["TASK_ID + 0" in scripts[0], "TASK_ID + 3" in scripts[1], "TASK_ID + 6" in scripts[2]] == [
        True
    ] * 3
    assert all(each in scripts[0] for each in ("--mem=4096M", "--time=00:30:00", "--gpus=1", "--requeue"))
    keys = (folder / "sweep-slurm/keys.txt").read_text().split()
    assert sorted(keys) == sorted(read_manifest(folder / "sweep-slurm/manifest.json").cells)


def test_the_scripts_are_valid_for_their_shells(folder):
    manifest = manifest_of("emt")
    job = BatchJob(image="docker://example/image:1", gpus=1, at_most=3)
    emit_slurm(manifest, [*manifest.cells], folder / "s", job)
    emit_htcondor(manifest, [*manifest.cells], folder / "h", job)
    for shell, script in (("bash", "s/sweep-1.sbatch"), ("sh", "h/cell.sh")):
        assert subprocess.run([shell, "-n", script], check=False, capture_output=True).stderr == b""


def test_names_with_shell_metacharacters_do_nothing(folder):
    hostile = "$(touch harm); `touch harm` | touch harm &"
    manifest = manifest_of("emt:" + hostile, name=hostile)
    emit_slurm(manifest, [*manifest.cells], folder / "s", BatchJob())
    emit_htcondor(manifest, [*manifest.cells], folder / "h", BatchJob(python=sys.executable))
    for name in ("s/sweep-1.sbatch", "s/keys.txt", "h/sweep.sub", "h/cell.sh"):
        assert "touch harm" not in (folder / name).read_text()
    scratch = node(folder / "h")
    (key,) = manifest.cells
    assert start(scratch, key).wait(120) in {1, 5}  # there is no such calculator
    assert not [*folder.rglob("harm")]


@pytest.mark.parametrize(
    "given",
    [
        {"python": "python; rm -rf /"},
        {"python": "-c"},
        {"image": "image $(id)"},
        {"image": "a\nqueue 1000"},
        {"memory": "lots"},
        {"walltime": "tomorrow"},
        {"walltime": "00:00:00"},
        {"at_most": -1},
        {"array_size": 0},
    ],
    ids=str,
)
def test_options_that_are_no_single_word_are_refused(folder, given):
    manifest = manifest_of("emt")
    with pytest.raises(ExperimentError, match="--"):
        emit_slurm(manifest, [*manifest.cells], folder / "s", BatchJob(**given))
    assert not (folder / "s").exists()


def test_a_file_whose_name_is_not_safe_is_refused(folder):
    (folder / "a b.py").write_text("")
    manifest = manifest_of("a b.py:make")
    with pytest.raises(ExperimentError, match="cannot travel"):
        emit_htcondor(manifest, [*manifest.cells], folder / "h", BatchJob())


@pytest.mark.parametrize("emit", [emit_slurm, emit_htcondor])
def test_a_calculators_file_must_be_here_as_it_was_planned(folder, emit):
    calc = folder / "calc.py"
    for planned, content, words in (
        ("", None, "is not here"),
        ("0" * 12, None, "is not here"),
        ("0" * 12, "edited", "has changed since"),
    ):
        if content:
            calc.write_text(content)
        cell = SweepCell("calc.py:make", "copper", 32, 1, 5, 1, 300.0, 0, planned)
        with pytest.raises(ExperimentError, match=words):
            emit(SweepManifest("s", {cell.key: cell}), [cell.key], folder / "s", BatchJob())
        assert not (folder / "s").exists()


def test_a_folder_that_exists_is_not_overwritten(folder, capsys):
    write_manifest(manifest_of("emt"), folder / "sweep.json")
    assert main(["sweep", "emit", "htcondor", "sweep.json"]) == 0
    assert main(["sweep", "emit", "htcondor", "sweep.json"]) != 0
    assert "give another --output" in capsys.readouterr().err


def test_wheels_are_for_htcondor(folder, capsys):
    write_manifest(manifest_of("emt"), folder / "sweep.json")
    (folder / "wheels").mkdir()
    assert main(["sweep", "emit", "slurm", "sweep.json", "--wheels", "wheels"]) == 2
    assert main(["sweep", "emit", "htcondor", "sweep.json", "--wheels", "wheels"]) != 0
    assert "pip download" in capsys.readouterr().err
    (folder / "wheels/a-1-py3-none-any.whl").write_bytes(b"")
    assert main(["sweep", "emit", "htcondor", "sweep.json", "--wheels", "wheels"]) == 0
    text = (folder / "sweep-htcondor/sweep.sub").read_text()
    assert "transfer_input_files = manifest.json, wheels\n" in text


def test_the_wrapper_returns_the_journal_and_the_rest_is_emitted(folder, capsys):
    (folder / "slow.py").write_text(SLEEPING)
    write_manifest(manifest_of("slow.py:Sleeping", replicates=2), folder / "sweep.json")
    assert main(["sweep", "emit", "htcondor", "sweep.json", "--python", sys.executable]) == 0
    emitted = folder / "sweep-htcondor"
    first, second = (emitted / "keys.txt").read_text().split()
    scratch = node(emitted)
    assert start(scratch, first).wait(120) == 0
    assert read_journal(scratch / "cell.jsonl").end is not None
    shutil.copy(scratch / "cell.jsonl", emitted / f"returned/{first}.1.jsonl")  # as HTCondor remaps it
    capsys.readouterr()
    assert main(["sweep", "gather", "sweep.json", "sweep-htcondor"]) == 1
    assert second in capsys.readouterr().out
    assert main(["sweep", "emit", "htcondor", "sweep.json", "-o", "rest"]) == 0
    assert (folder / "rest/keys.txt").read_text().split() == [second]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_journal_of_a_killed_cell_comes_back_and_its_next_try_completes_it(folder, how):
    (folder / "slow.py").write_text(SLEEPING)
    manifest = manifest_of("slow.py:Sleeping", steps=60)
    (key,) = manifest.cells
    emit_htcondor(manifest, [key], folder / "h", BatchJob(python=sys.executable))
    scratch = node(folder / "h")
    process = start(scratch, key)
    try:
        wait_for_calls(scratch, 5)
    finally:
        os.killpg(process.pid, how)
    assert process.wait(60) != 0
    partial = read_journal(scratch / "cell.jsonl")
    assert partial.end is None
    assert len(partial.calls) > 5
    returned = folder / "returned.jsonl"
    shutil.copy(scratch / "cell.jsonl", returned)
    shutil.rmtree(scratch)
    scratch = node(folder / "h")  # the next try has what came back
    shutil.copy(returned, scratch / "cell.jsonl")
    assert start(scratch, key).wait(120) == 0
    assert read_journal(scratch / "cell.jsonl").end is not None
