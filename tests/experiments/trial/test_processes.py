"""A program in the processes of a trial is the user's: what it does first still comes first."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from instrumented_calc.experiments.trial.processes import FailedRunError, Processes, exit_code_of
from instrumented_calc.experiments.trial.remedies.catalogue import remedies_for
from instrumented_calc.experiments.trial.task import TriedProgram, write_facts
from instrumented_calc.integration import RunFacts

PROGRAM = """
import os, sys
assert not {"numpy", "ase", "scipy"} & sys.modules.keys(), "imported before the program sets its threads"
os.environ["OMP_NUM_THREADS"] = "1"
from ase.build import bulk
from ase.calculators.emt import EMT
atoms = bulk("Cu")
atoms.calc = EMT()
for step in range(100):
    atoms.rattle(0.01, seed=step)
    atoms.get_forces()
"""


def test_no_library_is_imported_before_the_program_with_a_remedy_or_without(tmp_path):
    Path("md.py").write_text(PROGRAM)
    (tmp_path / "runs").mkdir()
    facts = RunFacts(tracked_objects=10**6)
    write_facts(tmp_path / "facts.json", facts)
    (remedy,) = remedies_for(facts)
    processes = Processes(TriedProgram(("md.py",)), tmp_path / "runs")
    for remedies in ((), (remedy,)):
        assert processes.measure(10, remedies, tmp_path / "facts.json").calls == 10


def test_a_run_beyond_its_limit_is_ended_with_all_that_it_started(tmp_path):
    command = ["sh", "-c", "sleep 600 & echo $! >pid; wait"]
    with pytest.raises(FailedRunError, match="not done after 2 s: a longer --budget leaves it more time"):
        exit_code_of(command, os.environ, tmp_path / "output.txt", limit_s=2.0)
    child = int(Path("pid").read_text())
    until = time.monotonic() + 30
    while is_running(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(child)


def is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


LONG_ERROR = """
import sys
print("BackendCompilerFailed: first", file=sys.stderr)
raise ValueError("the model has no such layer\\n\\nSet VERBOSE=1 for more")
"""


def test_the_reason_is_the_line_that_names_the_error_and_not_the_advice_below_it(tmp_path):
    Path("failing.py").write_text(LONG_ERROR)
    (tmp_path / "runs").mkdir()
    processes = Processes(TriedProgram(("failing.py",)), tmp_path / "runs")
    with pytest.raises(FailedRunError, match=r"exit code 1: ValueError: the model has no such layer$"):
        processes.measure(10)
