"""Broken simulations in a fleet: the evidence that beginnings and ends of journals hold."""

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet

from instrumented_calc import profiled
from instrumented_calc.analysis.fleet.fleet_run import run_of_excerpt
from instrumented_calc.capture.rows import sampler
from instrumented_calc.journal.excerpt import read_excerpt


class NoEnergy(EMT):
    """Energies are NaN from the hundredth call on."""

    made = 0

    def calculate(self, *given, **more):
        super().calculate(*given, **more)
        self.made += 1
        if self.made >= 100:
            self.results["energy"] = np.nan


class Noisy(EMT):
    """Forces have noise."""

    made = 0

    def calculate(self, *given, **more):
        super().calculate(*given, **more)
        self.made += 1
        forces = self.results["forces"]
        self.results["forces"] = forces + 0.5 * np.random.default_rng(self.made).normal(size=forces.shape)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Simulate copper, once per temperature, and return the run as a fleet sees it.

    States are read five times as often as usual: an excerpt holds some of them, on a busy machine too few.
    """
    monkeypatch.setattr(sampler, "STATE_EVERY_NS", sampler.SAMPLE_EVERY_NS)
    monkeypatch.setattr(sampler, "STATE_SHARE", 0)

    def of(kind, *, steps=400, kelvin=(300,)):
        with profiled(kind(), tmp_path / "run.jsonl", summary=False) as calc:
            for each in kelvin:
                atoms = bulk("Cu", cubic=True)
                scale = np.sqrt(atoms.get_masses()[:, None] * units.kB * each)
                atoms.set_momenta(scale * np.random.default_rng(0).normal(size=(4, 3)))
                atoms.calc = calc
                VelocityVerlet(atoms, 4 * units.fs).run(steps)
        return run_of_excerpt(read_excerpt(tmp_path / "run.jsonl"))

    return of


def test_energies_that_are_not_finite_are_counted(run):
    assert run(NoEnergy).not_finite == 302


def test_energies_that_are_not_finite_are_seen_without_the_totals(run, tmp_path):
    run(NoEnergy)
    path = tmp_path / "run.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(each for each in lines if b'"counters"' not in each))
    assert run_of_excerpt(read_excerpt(path)).not_finite == 302


@pytest.mark.parametrize("steps", [400, 1500], ids=["whole", "excerpt"])
def test_forces_with_noise_break_a_simulation_and_the_evidence_is_given(run, steps):
    ruin = "\n".join(run(Noisy, steps=steps).ruin)
    assert "The forces are not the gradient of the energy" in ruin
    assert "The energy is not conserved" in ruin


@pytest.mark.parametrize("steps", [400, 1500], ids=["whole", "excerpt"])
def test_a_sound_simulation_is_not_accused(run, steps):
    found = run(EMT, steps=steps)
    assert (found.ruin, found.not_finite) == ((), 0)


def test_two_simulations_in_one_journal_are_not_taken_for_a_drift(run):
    assert run(EMT, steps=800, kelvin=(10, 1500)).ruin == ()
