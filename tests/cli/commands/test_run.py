"""`instrumented-calc run`: a user's script, unchanged."""

import os
import subprocess
import sys

import pytest
from tests.support import read_records

SCRIPT = """
import sys
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

print("arguments", sys.argv, __name__)
calc = EMT()
for stretch in (1.0, 1.01):
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell * stretch, scale_atoms=True)
    atoms.calc = calc
    atoms.get_potential_energy()
other = bulk("Cu")
other.calc = atoms.calc
other.get_forces()
frozen = bulk("Cu")
frozen.calc = SinglePointCalculator(frozen, energy=1.0)
assert type(frozen.calc) is SinglePointCalculator
if "--fail" in sys.argv:
    raise RuntimeError("of the script")
sys.exit(int(sys.argv[-1]))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run the script by the command, once for several tests; return the outcome and the journal."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "-m", "instrumented_calc", "run", "script.py", "--steps", "5", "3"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("INSTRUMENTED_CALC")}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False, env=own
    )
    return done, folder / "run.jsonl"


@pytest.fixture
def run(working_directory):
    """Run the script by the command, with its own arguments, and return the outcome."""
    (working_directory / "script.py").write_text(SCRIPT, encoding="utf-8")

    def run(*arguments, options=(), **environment):
        command = [sys.executable, "-m", "instrumented_calc", "run", *options, "script.py", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env=os.environ | environment
        )

    return run


def test_the_script_has_its_own_arguments_and_exit_code(finished):
    done, _ = finished
    assert done.stdout == "arguments ['script.py', '--steps', '5', '3'] __main__\n"
    assert done.returncode == 3


def test_a_calculator_is_wrapped_once_however_often_it_is_assigned(finished):
    records = read_records(finished[1])
    assert len(records.calls) == 3
    assert len(records.of("lane")) == 1
    assert records.end["reason"] == "exit"


def test_the_summary_comes_at_the_end(finished):
    assert finished[0].stderr.splitlines()[-1].startswith("next     instrumented-calc report")


def test_an_exception_is_shown_as_the_interpreter_would_and_recorded_calls_are_kept(run):
    done = run("--fail")
    assert done.returncode == 1
    assert "RuntimeError: of the script" in done.stderr
    assert "runpy" not in done.stderr
    assert len(read_records().calls) == 3


def test_the_journal_can_be_named(run):
    run("0", options=["--output", "mine.jsonl"])
    assert len(read_records("mine.jsonl").calls) == 3


def test_profiling_can_be_switched_off(run, working_directory):
    assert run("0", INSTRUMENTED_CALC="off").returncode == 0
    assert not (working_directory / "run.jsonl").exists()


def test_a_script_that_is_not_there_is_one_line(working_directory):
    command = [sys.executable, "-m", "instrumented_calc", "run", "none.py"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (
        5,
        "error: none.py: no such script; give the path of a script\n",
    )
