"""A program in the processes of a trial is the user's: what it does first still comes first."""

from __future__ import annotations

from pathlib import Path

from instrumented_calc.experiments.trial.processes import Processes
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
