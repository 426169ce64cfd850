"""The meter of a process, in processes of its own: it changes classes of ASE for good."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

BEGINNING = """
import ase, pathlib
from ase.build import bulk
from ase.calculators.emt import EMT
from instrumented_calc.experiments.trial.meter import Meter
def metered(calls, **options):
    meter = Meter(pathlib.Path("calls.npz"), calls, **options)
    meter.install(ase)
    return meter
def copper():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BEGINNING + code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_program_ends_cleanly_after_its_calls_and_its_values_are_kept():
    code = """
metered(5, before_end=lambda: print("before the end"))
atoms = copper()
atoms.calc = EMT()
try:
    for step in range(100):
        atoms.rattle(0.01, seed=step)
        try:
            print("step", step, atoms.get_potential_energy(), atoms.get_forces().max())
        except Exception:
            print("caught")
finally:
    print("cleaned up")
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-2:] == ["before the end", "cleaned up"]
    assert len(lines) == 5 + 2
    with np.load("calls.npz") as found:
        assert len(found["starts_ns"]) == 6
        assert found["energies_ev"].tolist() == [float(line.split()[2]) for line in lines[:5]]
        assert found["forces_4"].max() == float(lines[4].split()[3])


def test_calls_within_calls_and_failed_ones_are_not_counted():
    code = """
from ase.calculators.mixing import SumCalculator
class Failing(EMT):
    def calculate(self, *args):
        super().calculate(*args)
        if len(seen) == 2:
            seen.append("failed")
            raise RuntimeError
seen = []
meter = metered(100)
atoms = copper()
atoms.calc = SumCalculator([EMT(), Failing()])
for step in range(4):
    atoms.rattle(0.01, seed=step)
    try:
        seen.append(atoms.get_potential_energy())
    except RuntimeError:
        pass
meter.save()
assert len(seen) == 4
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    with np.load("calls.npz") as found:
        assert len(found["energies_ev"]) == 3
        assert len(found["starts_ns"]) <= 4


def test_values_are_read_outside_of_what_a_remedy_puts_in_place():
    code = """
def wrong(calc):
    real = type(calc).calculate
    def calculate(self, *args):
        real(self, *args)
        self.results["energy"] += 1
    type(calc).calculate = calculate
meter = metered(100, at_first_call=wrong)
atoms = copper()
atoms.calc = EMT()
for _ in range(2):
    atoms.positions += 0.0001
    print(atoms.get_potential_energy())
meter.save()
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    with np.load("calls.npz") as found:
        first, second = found["energies_ev"]
    assert second - first == pytest.approx(1, abs=1e-6)
    assert done.stdout.split()[1] == str(second)


def test_a_program_that_never_lets_go_is_ended():
    code = """
metered(2)
atoms = copper()
atoms.calc = EMT()
while True:
    atoms.positions += 0.0001
    try:
        atoms.get_forces()
    except BaseException:
        pass
"""
    assert run(code).returncode == 0
