"""Who asks for forces: each driver is a phase of its own, with its steps and its time step."""

from __future__ import annotations

import gc
import weakref
from collections import Counter

import numpy as np
import pytest
from ase import units
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.mixing import SumCalculator
from ase.filters import FrechetCellFilter
from ase.md import Langevin
from ase.md.md import MolecularDynamics
from ase.md.npt import NPT
from ase.md.nptberendsen import NPTBerendsen
from ase.md.verlet import VelocityVerlet
from ase.mep import NEB
from ase.optimize import BFGS, FIRE
from tests.capture import zoo
from tests.capture.zoo import copper
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording, report
from instrumented_calc.capture.wrapping.twin import twin


@pytest.fixture
def atoms():
    """Return copper with a profiled calculator."""
    moving = copper()
    moving.calc = ProfiledCalculator(EMT())
    return moving


def records_of(atoms):
    """End the run and return its records."""
    recording(atoms.calc).close()
    records = read_records()
    assert records.counters["faults"] == 0
    return records


def steps_of(records, phase):
    """Return the steps of a phase's rows."""
    return [row.get("step") for row in records.calls if row["phase"] == phase]


def verlet(atoms, femtoseconds=2.0):
    """Return an integrator."""
    return VelocityVerlet(atoms, femtoseconds * units.fs)


def langevin(atoms):
    """Return a thermostat."""
    random = np.random.RandomState(5)
    return Langevin(atoms, 1.5 * units.fs, temperature_K=300, friction=0.02, rng=random, fixcm=False)


def barostat(atoms):
    """Return a barostat."""
    return NPTBerendsen(atoms, 1 * units.fs, temperature_K=300, pressure_au=0.0, compressibility_au=1e-2)


def test_relaxation_nvt_and_npt_are_three_phases(atoms):
    BFGS(atoms, logfile=None).run(fmax=1e-6, steps=6)
    langevin(atoms).run(10)
    barostat(atoms).run(10)
    records = records_of(atoms)
    described = [
        {key: phase.get(key) for key in ("phase", "driver", "kind", "ensemble")}
        for phase in records.of("phase")
    ]
    assert described == [
        {"phase": 1, "driver": "BFGS", "kind": "optimizer", "ensemble": None},
        {"phase": 2, "driver": "Langevin", "kind": "md", "ensemble": "NVT"},
        {"phase": 3, "driver": "NPTBerendsen", "kind": "md", "ensemble": "NPT"},
    ]
    assert [phase.get("timestep_fs") for phase in records.of("phase")] == [
        None,
        pytest.approx(1.5),
        pytest.approx(1.0),
    ]
    assert steps_of(records, 2)[-9:] == list(range(1, 10))
    # a barostat calculates twice a step: where the atoms are, and once the cell is scaled
    assert steps_of(records, 3)[-6:] == [7, 7, 8, 8, 9, 9]
    assert Counter(row["phase"] for row in records.calls).keys() == {1, 2, 3}


def test_each_row_of_md_has_its_step(atoms):
    verlet(atoms).run(20)
    records = records_of(atoms)
    # the first forces of step 0 come twice: before the first step and in it
    assert [row.get("step") for row in records.calls] == [0, *range(20)]
    assert [row["phase"] for row in records.calls] == [1] * 21


def test_a_phase_names_the_first_call_that_belongs_to_it(atoms):
    verlet(atoms).run(6)
    records = records_of(atoms)
    (phase,) = records.of("phase")
    assert phase["index"] == 0
    assert phase["timestep_fs"] == pytest.approx(2.0)
    assert phase["ensemble"] == "NVE"


def test_calls_before_md_belong_to_no_phase(atoms):
    for _ in range(5):
        atoms.get_potential_energy()
        atoms.rattle(0.001, rng=np.random.RandomState(1))
    verlet(atoms).run(40)
    rows = records_of(atoms).calls
    assert [row["phase"] for row in rows[:5]] == [None] * 5
    assert all("step" not in row for row in rows[:5])
    # searched at ever longer distances, but never at more than sixteen calls
    assert {row["phase"] for row in rows[5 + 16 :]} == {1}
    assert [row["step"] for row in rows[-5:]] == [35, 36, 37, 38, 39]


def test_a_bare_loop_of_steps_is_followed(atoms):
    dyn = verlet(atoms)
    for _ in range(10):
        dyn.step()
    records = records_of(atoms)
    # step() alone does not advance the counter, so the driver appears to stand still
    assert [phase["driver"] for phase in records.of("phase")] == ["VelocityVerlet"]
    assert {row["phase"] for row in records.calls} == {1}
    assert len(records.calls) == 11


def test_a_driver_is_not_kept_alive(atoms):
    dyn = verlet(atoms)
    dyn.run(5)
    gone = weakref.ref(dyn)
    del dyn
    gc.collect()
    assert gone() is None
    atoms.translate(0.1)
    atoms.get_forces()
    rows = records_of(atoms).calls
    assert rows[-1]["phase"] is None
    assert "step" not in rows[-1]


def test_a_new_driver_after_a_collected_one_is_another_phase(atoms):
    for femtoseconds in (1.0, 2.0, 3.0):
        verlet(atoms, femtoseconds).run(10)
        gc.collect()
    records = records_of(atoms)
    assert [phase["timestep_fs"] for phase in records.of("phase")] == [
        pytest.approx(femtoseconds) for femtoseconds in (1.0, 2.0, 3.0)
    ]
    assert [phase["phase"] for phase in records.of("phase")] == [1, 2, 3]


def test_two_drivers_in_turn_keep_their_phases(atoms):
    first, second = verlet(atoms, 1.0), langevin(atoms)
    for _ in range(4):
        first.run(20)
        second.run(20)
    records = records_of(atoms)
    assert [phase["driver"] for phase in records.of("phase")] == ["VelocityVerlet", "Langevin"]
    # each first run also calculates the forces of its start
    assert steps_of(records, 1) == [0, *range(80)]
    assert steps_of(records, 2) == [*range(80)]


def test_the_first_call_of_a_phase_belongs_to_it(atoms):
    verlet(atoms).run(40)
    moved = BFGS(atoms, logfile=None)
    moved.run(fmax=1e-9, steps=5)
    langevin(atoms).run(7)
    records = records_of(atoms)
    assert [phase["index"] for phase in records.of("phase")] == [0, 41, 46]
    assert steps_of(records, 1) == [0, *range(40)]
    assert steps_of(records, 2) == [1, 2, 3, 4, 5]
    assert steps_of(records, 3) == [*range(7)]


def test_md_after_a_relaxation_that_converged_early_has_its_first_call(atoms):
    relaxation = BFGS(atoms, logfile=None)
    relaxation.run(fmax=0.05, steps=200)
    assert 0 < relaxation.nsteps < 200
    verlet(atoms).run(10)
    records = records_of(atoms)
    assert steps_of(records, 2) == [*range(10)]


def test_a_run_that_was_broken_off_gives_way_at_once_if_calls_are_slow(exact_clock, make_recorder):
    breaks = []

    class SlowSpring(zoo.Spring):
        implemented_properties = ("energy", "forces", "stress")

        def calculate(self, *args):
            super().calculate(*args)
            self.results["stress"] = np.zeros(6)
            exact_clock.advance(3_000_000)
            if breaks:
                raise breaks.pop()

    recorder = make_recorder(clock=exact_clock)
    moving = copper()
    moving.calc = twin(SlowSpring(), recorder)
    calculates_twice_a_step = barostat(moving)
    calculates_twice_a_step.attach(lambda: breaks.append(ValueError("broken off")), interval=-5)
    with pytest.raises(ValueError, match="broken off"):
        calculates_twice_a_step.run(1000)
    verlet(moving).run(10)
    recorder.end("closed")
    records = read_records()
    assert steps_of(records, 2) == [*range(10)]
    assert records.calls[-11]["failure"] == "ValueError"


class Leapfrog(MolecularDynamics):
    """A user's own integrator."""

    def step(self):
        """Move."""
        atoms = self.atoms
        atoms.set_momenta(atoms.get_momenta() + self.dt * atoms.get_forces(md=True))
        atoms.set_positions(atoms.positions + self.dt * atoms.get_momenta() / atoms.get_masses()[:, None])


class MyLangevin(Langevin):
    """A user's own variant of a thermostat."""


def test_a_users_own_integrator_is_found(atoms):
    Leapfrog(atoms, 0.5 * units.fs).run(10)
    records = records_of(atoms)
    (phase,) = records.of("phase")
    assert (phase["driver"], phase["kind"], "ensemble" in phase) == ("Leapfrog", "md", False)
    assert phase["timestep_fs"] == pytest.approx(0.5)
    assert [row["step"] for row in records.calls][-5:] == [6, 7, 8, 9, 10]


def test_a_variant_of_a_known_one_has_its_ensemble(atoms):
    random = np.random.RandomState(5)
    MyLangevin(atoms, 1 * units.fs, temperature_K=300, friction=0.02, rng=random, fixcm=False).run(4)
    (phase,) = records_of(atoms).of("phase")
    assert (phase["driver"], phase["ensemble"]) == ("MyLangevin", "NVT")


BAROSTAT = {"externalstress": 0.0, "P_tau": 500 * units.fs, "P_mass": 1e4}
THERMOSTAT = {"temperature_K": 300, "T_tau": 50 * units.fs, "rng": 3}


@pytest.mark.parametrize(
    ("given", "ensemble"),
    [({}, "NVE"), (THERMOSTAT, "NVT"), (BAROSTAT, "NPH"), (THERMOSTAT | BAROSTAT, "NPT")],
)
def test_an_optional_thermostat_or_barostat_decides_on_the_ensemble(atoms, given, ensemble):
    baoab = pytest.importorskip("ase.md.langevinbaoab", reason="ASE before 3.28 has no LangevinBAOAB")
    baoab.LangevinBAOAB(atoms, 1 * units.fs, **given).run(2)
    (phase,) = records_of(atoms).of("phase")
    assert phase["ensemble"] == ensemble


@pytest.mark.filterwarnings("ignore:NPT thermostat has been moved")
def test_parrinello_rahman_dynamics_without_a_barostat_are_nvt(atoms):
    NPT(atoms, 1 * units.fs, temperature_K=300, externalstress=0, ttime=25 * units.fs).run(2)
    (phase,) = records_of(atoms).of("phase")
    assert (phase["driver"], phase["ensemble"]) == ("NPT", "NVT")


@pytest.mark.parametrize("parallel", [False, True])
def test_the_optimizer_of_a_band_is_found_from_its_threads(parallel):
    images = [copper() for _ in range(5)]
    for number, image in enumerate(images):
        image.rattle(0.02, seed=number)
        image.calc = ProfiledCalculator(EMT())
    band = NEB(images, parallel=parallel, method="improvedtangent")
    FIRE(band, logfile=None).run(fmax=1e-6, steps=12)
    records = records_of(images[0])
    (phase,) = records.of("phase")
    assert (phase["driver"], phase["kind"]) == ("FIRE", "optimizer")
    assert {row["phase"] for row in records.calls} == {1}
    for lane in (1, 2, 3):
        steps = [row["step"] for row in records.calls if row["lane"] == lane]
        assert steps == sorted(steps)
        assert steps[-1] in (11, 12)


def test_the_innermost_driver_counts(atoms):
    outer = verlet(atoms)
    others = copper()
    others.calc = atoms.calc

    def relax():
        others.rattle(0.05, rng=np.random.RandomState(1))
        FIRE(others, logfile=None).run(fmax=1e-9, steps=10)

    outer.attach(relax, interval=10)
    outer.run(20)
    records = records_of(atoms)
    assert {phase["driver"] for phase in records.of("phase")} == {"VelocityVerlet", "FIRE"}


def test_the_calculator_that_the_driver_asks_is_named_where_it_contains_the_recorded_one(atoms):
    moving, recorded = atoms.copy(), atoms.calc
    moving.calc = SumCalculator([recorded, LennardJones()])
    verlet(moving).run(2)
    verlet(atoms).run(2)
    FIRE(FrechetCellFilter(atoms), logfile=None).run(steps=1)
    phases = records_of(atoms).of("phase")
    assert [phase.get("calculator") for phase in phases] == ["SumCalculator", None, None]
    assert "driver and other code" in str(report("run.jsonl"))


def test_attached_observers_are_timed_apart_and_put_back(exact_clock, make_recorder):
    from instrumented_calc.capture.run.observers import attach  # noqa: PLC0415 - loaded only when needed

    recorder = make_recorder(clock=exact_clock)
    moving = copper()
    moving.calc = twin(zoo.Spring(), recorder)
    dyn = verlet(moving)
    dyn.attach(lambda: exact_clock.advance(30))
    dyn.attach(moving.get_potential_energy)
    attach(recorder, dyn)
    dyn.run(3)
    recorder.end("closed")
    records = read_records()
    assert [row.get("observers_ns") for row in records.calls] == [None, 30, 30, 30]
    assert records.end["observers_ns"] == 30
    assert "call_observers" not in vars(dyn)


def test_an_integrator_that_is_outside_of_ase_is_named_by_attaching_it(atoms):
    class Own:
        nsteps = 0

        def irun(self):
            raise NotImplementedError

        def go(self, moving):
            for _ in range(5):
                moving.translate(0.01)
                moving.get_forces()
                self.nsteps += 1

    own = Own()
    recording(atoms.calc).run.attach(own)
    own.go(atoms)
    records = records_of(atoms)
    (phase,) = records.of("phase")
    assert (phase["driver"], phase["kind"]) == ("Own", "dynamics")
    assert [row["step"] for row in records.calls] == [0, 1, 2, 3, 4]


def test_a_phase_records_where_its_run_ends(atoms):
    dyn = verlet(atoms)
    dyn.run(7)
    dyn.run(3)
    BFGS(atoms, logfile=None).run(fmax=1e-9, steps=4)
    atoms.rattle(0.1, seed=3)
    FIRE(atoms, logfile=None).run(fmax=0.1)  # as many steps as it takes
    assert [phase.get("until_step") for phase in records_of(atoms).of("phase")] == [7, 4, None]


def test_a_driver_that_is_stepped_by_hand_has_no_last_step(atoms):
    dyn = verlet(atoms)
    for _ in range(20):
        dyn.step()
        dyn.nsteps += 1
    assert all("until_step" not in phase for phase in records_of(atoms).of("phase"))
