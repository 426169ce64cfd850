"""Live dynamics and replay, profiled: phases, conservation, failures."""

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from tests.support import read_records

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.dynamics import Protocol
from instrumented_calc.experiments.profile import profile_dynamics, profile_frames
from instrumented_calc.experiments.systems import build_system


def protocol(ensemble="nve", steps=20, **changes):
    settings = {"timestep_fs": 2.0, "temperature_k": 300.0, "equilibration": 10, "seed": 0}
    return Protocol(ensemble=ensemble, steps=steps, **(settings | changes))


@pytest.fixture
def run(tmp_path):
    """Profile EMT, or another calculator, on 32 copper atoms."""

    def run(used=None, calc=None, on_step=lambda *_: None):
        atoms = build_system("copper", 32).atoms
        return profile_dynamics(
            calc or EMT(), atoms, used or protocol(), journal=tmp_path / "run.jsonl", on_step=on_step
        )

    return run


class Energyless(EMT):
    """Returns forces without an energy, as some models do."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = {name: self.results[name] for name in properties}


class Pushing(EMT):
    """Its forces are not the derivative of its energy."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = self.results["forces"] + 0.5 * np.sign(self.atoms.get_momenta())


class ForcesOnly(Calculator):
    implemented_properties = ("forces",)

    def calculate(self, atoms=None, properties=("forces",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["forces"] = np.zeros((len(self.atoms), 3))


def test_the_equilibration_is_a_phase_of_its_own_and_every_step_one_call(run):
    run()
    records = read_records()
    assert [(p["driver"], p["kind"]) for p in records.of("phase")] == [
        ("Langevin", "md"),
        ("VelocityVerlet", "md"),
    ]
    phases = [row["phase"] for row in records.calls]
    assert (phases.count(1), phases.count(2)) == (11, 20)


def test_without_an_equilibration_there_is_one_phase(run):
    run(protocol(equilibration=0))
    assert [each["driver"] for each in read_records().of("phase")] == ["VelocityVerlet"]


@pytest.mark.parametrize(
    ("ensemble", "driver"), [("nve", "VelocityVerlet"), ("langevin", "Langevin"), ("npt", "IsotropicMTKNPT")]
)
def test_every_ensemble_runs_and_reports_its_checks(run, ensemble, driver):
    words = run(protocol(ensemble)).conservation
    assert read_records().of("phase")[-1]["driver"] == driver
    assert ("not checked: a Langevin thermostat" in words) == (ensemble == "langevin")
    assert (" conserved: drift" in words) == (ensemble != "langevin")


def test_12_nve_is_judged_by_the_total_energy_though_the_potential_energy_changes(run):
    words = run(protocol(equilibration=0, steps=60)).conservation
    energies = [row["energy_ev"] for row in read_records().calls]
    assert (
        max(energies) - min(energies)
    ) / 32 * 1000 > 10  # meV per atom: from a perfect lattice, half of kT
    assert words.startswith("total energy conserved")


def test_a_model_that_does_not_conserve_is_reported(run):
    assert "total energy NOT conserved" in run(calc=Pushing()).conservation


def test_a_calculator_that_leaves_no_energy_is_not_asked_for_it(run):
    assert "stores no energy with the forces" in run(calc=Energyless()).conservation
    assert read_records().counters["calls"] == 31


def test_a_few_steps_are_too_few_to_judge(run):
    assert "4 samples are too few" in run(protocol(steps=3)).conservation


def test_one_seed_gives_one_trajectory(run):
    def energies(seed):
        path = run(protocol("langevin", seed=seed)).path
        return [row["energy_ev"] for row in read_records(path).calls]

    assert energies(1) == energies(1) != energies(2)


def test_03_consecutive_calls_are_as_near_as_in_dynamics(run):
    class Moves(EMT):
        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            places.append(atoms.positions.copy())
            super().calculate(atoms, properties, system_changes)

    places = []
    run(calc=Moves())
    assert np.abs(np.diff(places, axis=0)).max() < 0.05


def test_progress_is_reported_step_by_step(run):
    reported = []
    run(on_step=lambda *step: reported.append(step))
    assert reported[0] == ("equilibration", 0, 10)
    assert reported[10] == ("equilibration", 10, 10)
    assert reported[-1] == ("NVE", 20, 20)


def test_a_calculator_without_stress_cannot_do_npt(run):
    with pytest.raises(ExperimentError, match="ForcesOnly cannot compute stress; it computes forces"):
        run(protocol("npt"), ForcesOnly())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ensemble": "nvt"}, "unknown ensemble 'nvt'; known: nve, langevin, npt"),
        ({"timestep_fs": 0.0}, "timestep_fs must be a number from 0.001 to 1,000, not 0"),
        ({"ensemble": "langevin", "temperature_k": 0.0}, "positive temperature"),
    ],
)
def test_a_protocol_that_cannot_be_run_is_refused(changes, expected):
    with pytest.raises(ExperimentError, match=expected):
        protocol(**changes)


def test_a_failure_names_the_phase_and_keeps_the_journal(tmp_path):
    atoms = build_system("silicon", 8).atoms
    with pytest.raises(ExperimentError, match=r"equilibration, call 1: EMT failed for Si8: .*run\.jsonl"):
        profile_dynamics(EMT(), atoms, protocol(), journal=tmp_path / "run.jsonl", on_step=lambda *_: None)
    assert read_records().calls[0]["failure"] == "NotImplementedError"


def test_frames_of_differing_sizes_are_replayed_with_a_note(tmp_path):
    frames = [build_system("copper", n).atoms for n in (8, 8, 13)]
    found = profile_frames(EMT(), frames, journal=tmp_path / "run.jsonl", on_step=lambda *_: None)
    assert found.n_atoms == "8 to 13 atoms"
    assert "frames differ in size" in found.notes[0]
    assert [row["n_atoms"] for row in read_records().calls] == [8, 13]  # the second is the first one again


def test_a_frame_that_fails_is_named(tmp_path):
    frames = [build_system("copper", 8).atoms, build_system("silicon", 8).atoms]
    with pytest.raises(ExperimentError, match=r"frame 1 of 2: EMT failed for Si8.*run\.jsonl"):
        profile_frames(EMT(), frames, journal=tmp_path / "run.jsonl", on_step=lambda *_: None)


def test_a_calculator_without_forces_is_asked_for_its_energy(tmp_path):
    class Energy(Calculator):
        implemented_properties = ("energy",)

        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            self.results["energy"] = 1.0

    frames = [build_system("copper", 8).atoms]
    found = profile_frames(Energy(), frames, journal=tmp_path / "run.jsonl", on_step=lambda *_: None)
    assert found.notes == ["Energy has no forces: requested energy"]
