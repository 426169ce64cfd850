"""Short real simulations, ruined and healthy, each in a second: what `test_soundness` judges.

Each is a function that runs in a working directory of its own and leaves `run.jsonl` there. A ruined one
names the rules of which one must say so, and a healthy one must be accused by none.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms, FixBondLength, Hookean
from ase.filters import FrechetCellFilter
from ase.md.andersen import Andersen
from ase.md.bussi import Bussi
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import IsotropicMTKNPT, NoseHooverChainNVT
from ase.md.nptberendsen import NPTBerendsen
from ase.md.nvtberendsen import NVTBerendsen
from ase.md.verlet import VelocityVerlet
from ase.mep import NEB
from ase.optimize import BFGS, FIRE

from instrumented_calc import profiled

if TYPE_CHECKING:
    from collections.abc import Callable

FS = units.fs
RUINED: dict[str, tuple[Callable[[], None], tuple[str, ...]]] = {}
HEALTHY: dict[str, Callable[[], None]] = {}


def ruined(*rules: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a simulation that one of these rules must name."""

    def enter(script: Callable[[], None]) -> Callable[[], None]:
        RUINED[script.__name__] = script, rules
        return script

    return enter


def healthy(script: Callable[[], None]) -> Callable[[], None]:
    """Enter a simulation that nothing may accuse."""
    HEALTHY[script.__name__] = script
    return script


class Pairs(Calculator):
    """Morse pairs in a small cell, with a few ways to spoil a result.

    Args:
        spoil: Given the number of the call, the atoms and the results, which it may change.
    """

    implemented_properties = ("energy", "forces", "stress")
    depth, stiffness, bond = 0.4, 1.5, 2.7

    def __init__(self, spoil: Callable[[int, Atoms, dict[str, Any]], object] = lambda *_: None) -> None:
        super().__init__()
        self.spoil = spoil
        self.number = 0

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        with np.errstate(all="ignore"):
            self.results = morse(self.atoms, self.depth, self.stiffness, self.bond)
        self.number += 1
        self.spoil(self.number - 1, self.atoms, self.results)


def morse(atoms: Atoms, depth: float, stiffness: float, bond: float) -> dict[str, Any]:
    """Return energy, forces and stress of Morse pairs with the nearest images."""
    first, second = np.triu_indices(len(atoms), 1)
    away = atoms.positions[first] - atoms.positions[second]
    if atoms.pbc.any():
        lengths = atoms.cell.lengths()
        away -= lengths * np.round(away / lengths) * atoms.pbc
    distance = np.sqrt((away**2).sum(axis=1))
    wave = np.exp(-stiffness * (distance - bond))
    energy = depth * ((1 - wave) ** 2 - 1).sum()
    slope = 2 * depth * stiffness * (wave - wave**2)
    pulls = -(slope / distance)[:, None] * away
    forces = np.zeros((len(atoms), 3))
    np.add.at(forces, first, pulls)
    np.add.at(forces, second, -pulls)
    volume = abs(atoms.cell.volume) or 1.0
    virial = -(away.T @ pulls) / volume
    stress = np.array([virial[0, 0], virial[1, 1], virial[2, 2], virial[1, 2], virial[0, 2], virial[0, 1]])
    return {"energy": float(energy), "forces": forces, "stress": stress}


def crystal(kelvin: float = 300.0, element: str = "Cu", seed: int = 0) -> Atoms:
    """Return 32 warm atoms in a periodic cell."""
    lattices = {"Cu": 3.6, "H": 3.6, "Al": 4.05}
    atoms = bulk("Cu", "fcc", a=lattices[element], cubic=True) * (2, 2, 2)
    atoms.symbols[:] = element
    return heated(atoms, kelvin, seed)


def heated(atoms: Atoms, kelvin: float, seed: int = 0) -> Atoms:
    """Give atoms random velocities."""
    masses = atoms.get_masses()[:, None]
    momenta = (
        np.random.default_rng(seed).standard_normal((len(atoms), 3)) * (masses * units.kB * kelvin) ** 0.5
    )
    atoms.set_momenta(momenta - masses / masses.sum() * momenta.sum(axis=0))
    return atoms


def run(  # noqa: PLR0913, PLR0917 - the options of a run
    atoms: Atoms,
    calculator: Any,
    steps: int = 300,
    driver: Any = VelocityVerlet,
    step: float = 2.0,
    observe: Callable[[Any], object] = lambda _: None,
    **options: Any,
) -> None:
    """Run MD with the calculator profiled."""
    with warnings.catch_warnings(), profiled(calculator, "run.jsonl", summary=False) as atoms.calc:
        warnings.simplefilter("ignore")
        dynamics = driver(atoms, step * FS, **options)
        observe(dynamics)
        with np.errstate(all="ignore"):
            dynamics.run(steps)


def langevin(kelvin: float = 300.0, friction: float = 0.02) -> dict[str, Any]:
    """Return the options of a Langevin thermostat."""
    rng = np.random.RandomState(1)
    return {"driver": Langevin, "temperature_K": kelvin, "friction": friction / FS, "rng": rng}


def from_call(when: int, change: Callable[[dict[str, Any], Atoms], object]) -> Pairs:
    """Return a calculator whose results are changed from some call on."""
    return Pairs(lambda number, atoms, results: change(results, atoms) if number >= when else None)


def only(when: Callable[[int], bool], change: Callable[[dict[str, Any], Atoms], object]) -> Pairs:
    """Return a calculator whose results are changed in some calls."""
    return Pairs(lambda number, atoms, results: change(results, atoms) if when(number) else None)


# -- not numbers ------------------------------------------------------------------------------------


@ruined("non-finite")
def energy_becomes_nan() -> None:
    run(crystal(), from_call(120, lambda results, _: results.update(energy=float("nan"))))


@ruined("non-finite")
def energy_is_infinite_once() -> None:
    run(crystal(), only(lambda n: n == 77, lambda results, _: results.update(energy=float("inf"))))


def _spoil_forces(results: dict[str, Any], _: Atoms) -> None:
    results["forces"][[17, 18]] = np.nan


@ruined("non-finite")
def forces_of_two_atoms_become_nan() -> None:
    run(crystal(), from_call(150, _spoil_forces))


@ruined("non-finite")
def forces_are_nan_in_one_call_of_an_optimizer_that_repairs_itself() -> None:
    def mend(optimizer: Any) -> None:
        optimizer.atoms.positions[:] = np.nan_to_num(optimizer.atoms.positions)

    atoms = crystal()
    atoms.rattle(0.1, seed=1)
    with profiled(
        Pairs(lambda n, _, results: results["forces"].fill(np.nan) if n == 5 else None),
        "run.jsonl",
        summary=False,
    ) as atoms.calc:
        for _ in range(10):
            atoms.positions += 0.001 * np.nan_to_num(atoms.get_forces())


@ruined("non-finite")
def nan_forces_in_single_precision() -> None:
    def single(results: dict[str, Any], _: Atoms) -> None:
        results["forces"] = results["forces"].astype(np.float32)
        results["forces"][3, 1] = np.nan

    run(crystal(), from_call(40, single), 120)


@ruined("non-finite")
def positions_become_nan_and_results_stay_finite() -> None:
    def clean(_: int, atoms: Atoms, results: dict[str, Any]) -> None:
        results["energy"] = -1.0 + 1e-3 * np.nan_to_num(atoms.positions[1, 0])
        results["forces"] = np.nan_to_num(results["forces"]) * 0.1

    def lose(dynamics: Any) -> None:
        if dynamics.nsteps == 60:
            dynamics.atoms.positions[5] = np.nan

    run(crystal(), Pairs(clean), 150, observe=lambda dynamics: dynamics.attach(lose, 1, dynamics))


@ruined("non-finite")
def an_energy_in_an_array_is_nan() -> None:
    run(crystal(), from_call(50, lambda results, _: results.update(energy=np.array([np.nan]))), 100)


# -- exploded ---------------------------------------------------------------------------------------


@ruined("exploded", "energy-drift", "non-finite")
def time_step_of_60_fs() -> None:
    run(crystal(), Pairs(), 150, step=60.0)


@ruined("exploded", "energy-drift", "non-finite")
def methane_with_5_fs() -> None:
    atoms = heated(molecule("CH4"), 1500)
    calculator = Pairs()
    calculator.stiffness, calculator.bond, calculator.depth = 2.5, 1.1, 4.0
    run(atoms, calculator, 200, step=5.0)


@ruined("exploded", "energy-drift", "non-finite")
def hydrogen_with_the_time_step_of_copper() -> None:
    run(crystal(600, "H"), Pairs(), 300, step=8.0)


@ruined("exploded", "non-finite", "temperature-off")
def overlapping_atoms_at_the_start() -> None:
    atoms = crystal()
    atoms.positions[1] = atoms.positions[0] + [0.05, 0, 0]
    calculator = Pairs()
    calculator.stiffness = 4.0
    run(atoms, calculator, 150, **langevin())


@ruined("exploded")
def a_hole_in_the_potential() -> None:
    def fall(results: dict[str, Any], _: Atoms) -> None:
        results["energy"] -= 1e5

    run(crystal(), from_call(90, fall), 150)


@ruined("exploded")
def an_optimizer_that_leaves_for_infinity() -> None:
    def push(_: int, atoms: Atoms, results: dict[str, Any]) -> None:
        away = atoms.positions - atoms.positions.mean(axis=0)
        results["energy"] = -float((away**2).sum())
        results["forces"] = 2 * away

    atoms = molecule("C6H6")
    with profiled(Pairs(push), "run.jsonl", summary=False) as atoms.calc:
        FIRE(atoms, logfile=None, maxstep=20.0, dtmax=5.0).run(fmax=0.01, steps=200)


@ruined("exploded", "temperature-off", "energy-drift")
def forces_with_the_wrong_sign() -> None:
    run(crystal(), Pairs(lambda _, __, results: results["forces"].__imul__(-1)), 400, step=4.0)


# -- frozen -----------------------------------------------------------------------------------------


@ruined("frozen")
def argon_beyond_the_cutoff_at_rest() -> None:
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)
    run(atoms, LennardJones(sigma=1.0, epsilon=1.0, rc=3.0), 400)


@ruined("frozen")
def argon_beyond_the_cutoff_in_flight() -> None:
    atoms = heated(bulk("Ar", "fcc", a=8.0, cubic=True), 1)
    run(atoms, LennardJones(sigma=1.0, epsilon=1.0, rc=3.0), 200)


@ruined("frozen")
def every_atom_fixed() -> None:
    atoms = crystal()
    atoms.set_constraint(FixAtoms(range(len(atoms))))
    run(atoms, Pairs(), 300)


@ruined("frozen")
def a_driver_in_a_function_that_has_returned() -> None:
    atoms = bulk("Ar", "fcc", a=5.3, cubic=True)

    def work() -> None:
        VelocityVerlet(atoms, 2 * FS).run(300)

    with profiled(LennardJones(sigma=1.0, epsilon=1.0, rc=3.0), "run.jsonl", summary=False) as atoms.calc:
        work()


# -- stale ------------------------------------------------------------------------------------------


@ruined("stale")
def a_calculator_that_answers_from_its_first_geometry() -> None:
    kept: dict[str, Any] = {}

    def first(_: int, __: Atoms, results: dict[str, Any]) -> None:
        kept.update(results) if not kept else results.update(kept)

    run(crystal(), Pairs(first), 201)


@ruined("stale")
def a_calculator_that_freezes_half_way() -> None:
    kept: dict[str, Any] = {}

    def freeze(results: dict[str, Any], _: Atoms) -> None:
        kept.update(results) if not kept else results.update(kept)

    run(crystal(), from_call(100, freeze), 250)


@ruined("stale")
def an_energy_that_is_a_placeholder() -> None:
    run(crystal(), Pairs(lambda _, __, results: results.update(energy=0.0)), 200)


@ruined("stale")
def a_stale_calculator_under_a_thermostat() -> None:
    kept: dict[str, Any] = {}

    def freeze(results: dict[str, Any], _: Atoms) -> None:
        kept.update(results) if not kept else results.update(kept)

    run(crystal(), from_call(30, freeze), 150, **langevin())


# -- energy not conserved ---------------------------------------------------------------------------


@ruined("energy-drift", "exploded")
def forces_that_stir() -> None:
    def swirl(_: int, atoms: Atoms, results: dict[str, Any]) -> None:
        results["forces"] += 0.1 * np.cross(atoms.positions - atoms.positions.mean(axis=0), [0, 0, 1])

    run(crystal(), Pairs(swirl), 600, step=4.0)


@ruined("energy-drift")
def a_drag_that_cools() -> None:
    velocities: dict[str, Any] = {}

    def drag(_: int, atoms: Atoms, results: dict[str, Any]) -> None:
        before = velocities.get("r", atoms.positions)
        results["forces"] -= 2.0 * (atoms.positions - before)
        velocities["r"] = atoms.positions.copy()

    run(crystal(600), Pairs(drag), 500)


@ruined("energy-drift", "exploded", "temperature-off")
def noisy_forces() -> None:
    rng = np.random.default_rng(3)

    def noise(_: int, __: Atoms, results: dict[str, Any]) -> None:
        results["forces"] += rng.normal(0, 1.5, results["forces"].shape)

    run(crystal(), Pairs(noise), 400, step=4.0)


@ruined("energy-drift", "exploded")
def a_nose_hoover_run_with_forces_that_heat() -> None:
    def swirl(_: int, atoms: Atoms, results: dict[str, Any]) -> None:
        results["forces"] += 0.1 * np.cross(atoms.positions - atoms.positions.mean(axis=0), [0, 0, 1])

    run(crystal(), Pairs(swirl), 500, NoseHooverChainNVT, temperature_K=300, tdamp=50 * FS)


@ruined("energy-drift", "exploded", "temperature-off")
def bussi_with_noisy_forces() -> None:
    rng = np.random.default_rng(3)

    def noise(_: int, __: Atoms, results: dict[str, Any]) -> None:
        results["forces"] += rng.normal(0, 1.5, results["forces"].shape)

    run(
        crystal(),
        Pairs(noise),
        400,
        Bussi,
        step=4.0,
        temperature_K=300,
        taut=200 * FS,
        rng=np.random.RandomState(0),
    )


# -- far from the target ----------------------------------------------------------------------------


@ruined("temperature-off", "exploded")
def langevin_against_noisy_forces() -> None:
    rng = np.random.default_rng(3)

    def noise(_: int, __: Atoms, results: dict[str, Any]) -> None:
        results["forces"] += rng.normal(0, 4, results["forces"].shape)

    run(crystal(), Pairs(noise), 600, step=4.0, **langevin(300, 0.01))


@ruined("temperature-off")
def langevin_with_atoms_that_are_stopped() -> None:
    def stop(dynamics: Any) -> None:
        dynamics.atoms.set_momenta(0.3 * dynamics.atoms.get_momenta())

    run(crystal(), Pairs(), 500, observe=lambda dynamics: dynamics.attach(stop, 5, dynamics), **langevin(600))


@ruined("volume-change", "exploded", "non-finite")
def a_stress_with_the_wrong_sign() -> None:
    atoms = crystal()
    atoms.set_cell(atoms.cell * 1.02, scale_atoms=True)
    calculator = Pairs(lambda _, __, results: results["stress"].__imul__(-1))
    options = {"temperature_K": 300, "pressure_au": 0.0, "taut": 100 * FS, "taup": 100 * FS}
    run(atoms, calculator, 500, NPTBerendsen, compressibility_au=0.5, **options)


@ruined("volume-change", "exploded", "non-finite")
def a_pressure_of_1_bar_in_the_wrong_unit() -> None:
    options = {"temperature_K": 300, "pressure_au": 1.01325, "taut": 100 * FS, "taup": 200 * FS}
    run(crystal(), Pairs(), 400, NPTBerendsen, compressibility_au=0.5, **options)


# -- momentum, failures -----------------------------------------------------------------------------


@ruined("momentum-drift", "energy-drift", "exploded")
def forces_that_do_not_sum_to_zero() -> None:
    run(crystal(), Pairs(lambda _, __, results: results["forces"].__iadd__([0.05, 0, 0])), 400, step=4.0)


@ruined("momentum-drift")
def a_flying_ice_cube() -> None:
    def cool(dynamics: Any) -> None:
        momenta = dynamics.atoms.get_momenta()
        masses = dynamics.atoms.get_masses()[:, None]
        drift = momenta.sum(axis=0) / masses.sum() * masses
        dynamics.atoms.set_momenta(0.9 * (momenta - drift) + 1.05 * drift)

    atoms = crystal()
    atoms.set_momenta(atoms.get_momenta() + np.array([0.3, 0, 0]))
    options = {"temperature_K": 300, "taut": 100 * FS, "fixcm": False}
    run(
        atoms,
        Pairs(),
        400,
        NVTBerendsen,
        observe=lambda dynamics: dynamics.attach(cool, 2, dynamics),
        **options,
    )


@ruined("calls-failing")
def nearly_all_calls_fail() -> None:
    request_forces(displacement=0.01, fails=lambda number: number % 30 != 0)


def request_forces(displacement: float, fails: Callable[[int], bool], geometries: int = 60) -> None:
    """Request the forces of some geometries; calls whose number `fails` accepts raise an exception."""

    def fail(number: int, _: Atoms, __: Any) -> None:
        if fails(number):
            message = "no convergence"
            raise RuntimeError(message)

    atoms = crystal()
    with profiled(Pairs(fail), "run.jsonl", summary=False) as atoms.calc:
        for each in range(geometries):
            atoms.positions[0, 0] += displacement * each
            with contextlib.suppress(RuntimeError):
                atoms.get_forces()


# -- healthy ----------------------------------------------------------------------------------------


@healthy
def copper_at_room_temperature() -> None:
    run(crystal(), EMT(), 120)


@healthy
def a_hot_melt() -> None:
    run(crystal(4000), Pairs(), 500, step=1.0)


@healthy
def a_crystal_that_melts_under_langevin() -> None:
    run(crystal(300), Pairs(), 600, **langevin(3000))


@healthy
def strong_friction() -> None:
    run(crystal(300), Pairs(), 400, **langevin(500, 0.2))


@healthy
def from_rest_to_the_target() -> None:
    run(crystal(0.001), Pairs(), 300, **langevin(500, 0.005))


@healthy
def a_very_hot_plasma() -> None:
    run(crystal(50_000), Pairs(), 300, step=0.1)


@healthy
def light_atoms() -> None:
    run(crystal(300, "H"), Pairs(), 600, step=0.5)


@healthy
def two_atoms() -> None:
    atoms = Atoms("N2", [[0, 0, 0], [0, 0, 2.8]])
    atoms.set_momenta([[0, 0, 1.5], [0, 0, -1.5]])
    run(atoms, Pairs(), 500, step=1.0)


@healthy
def two_atoms_under_langevin() -> None:
    run(heated(Atoms("Cu2", [[0, 0, 0], [0, 0, 2.8]]), 300), Pairs(), 600, **langevin(300, 0.05))


@healthy
def a_slab_with_fixed_atoms() -> None:
    atoms = crystal(500)
    atoms.set_constraint(FixAtoms([0, 1, 2, 3, 4, 5, 6, 7]))
    atoms.set_momenta(atoms.get_momenta())
    run(atoms, EMT(), 80)


@healthy
def a_rigid_bond() -> None:
    atoms = heated(molecule("CH4"), 300)
    atoms.set_constraint(FixBondLength(0, 1))
    calculator = Pairs()
    calculator.bond = 1.1
    run(atoms, calculator, 300, step=0.3)


@healthy
def a_spring_to_a_point() -> None:
    atoms = heated(Atoms("Cu3", [[0, 0, 0], [0, 0, 2.7], [0, 2.4, 1.3]]), 200)
    atoms.set_constraint(Hookean(0, (0.0, 0.0, 0.0), k=2.0, rt=0.5))
    run(atoms, Pairs(), 300)


@healthy
def a_gas_that_hardly_ever_collides() -> None:
    rng = np.random.default_rng(0)
    atoms = heated(Atoms("Ar8", rng.uniform(0, 24, (8, 3)), cell=[24] * 3, pbc=True), 600)
    run(atoms, LennardJones(sigma=3.4, epsilon=0.0104, rc=10.0), 200, step=4.0)


@healthy
def an_optimizer() -> None:
    atoms = crystal()
    atoms.rattle(0.15, seed=4)
    with profiled(EMT(), "run.jsonl", summary=False) as atoms.calc:
        BFGS(atoms, logfile=None).run(fmax=1e-4, steps=100)


@healthy
def an_optimizer_from_overlapping_atoms() -> None:
    atoms = crystal()
    atoms.positions[1] = atoms.positions[0] + [0.4, 0, 0]
    with profiled(Pairs(), "run.jsonl", summary=False) as atoms.calc:
        FIRE(atoms, logfile=None).run(fmax=0.05, steps=200)


@healthy
def a_cell_that_is_relaxed() -> None:
    atoms = crystal()
    atoms.set_cell(atoms.cell * 1.06, scale_atoms=True)
    with profiled(EMT(), "run.jsonl", summary=False) as atoms.calc:
        BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.01, steps=30)


@healthy
def a_band() -> None:
    first = crystal(0.001)
    del first[0]
    last = first.copy()
    last.positions[0] += [0.5, 0.5, 0]
    images = [first.copy() for _ in range(4)] + [last]
    with profiled(Pairs(), "run.jsonl", summary=False) as shared:
        for each in images:
            each.calc = shared
        band = NEB(images, allow_shared_calculator=True, method="improvedtangent")
        band.interpolate()
        FIRE(band, logfile=None).run(fmax=0.05, steps=15)


@healthy
def an_expanding_crystal() -> None:
    atoms = crystal(300)
    atoms.set_cell(atoms.cell * 0.97, scale_atoms=True)
    options = {"temperature_K": 900, "pressure_au": 0.0, "taut": 100 * FS, "taup": 200 * FS}
    run(atoms, Pairs(), 300, NPTBerendsen, compressibility_au=1.15, **options)


@healthy
def a_barostat_with_a_conserved_energy() -> None:
    options = {"temperature_K": 300, "pressure_au": 0.0, "tdamp": 100 * FS, "pdamp": 500 * FS}
    run(crystal(300), Pairs(), 200, IsotropicMTKNPT, **options)


@healthy
def a_nose_hoover_chain() -> None:
    run(crystal(600), Pairs(), 300, NoseHooverChainNVT, temperature_K=300, tdamp=30 * FS)


@healthy
def bussis_thermostat() -> None:
    run(crystal(600), Pairs(), 300, Bussi, temperature_K=300, taut=30 * FS, rng=np.random.RandomState(0))


@healthy
def andersens_thermostat() -> None:
    run(
        crystal(600),
        Pairs(),
        500,
        Andersen,
        temperature_K=300,
        andersen_prob=0.05,
        rng=np.random.RandomState(0),
    )


@healthy
def a_restart() -> None:
    atoms = crystal(500)
    with profiled(Pairs(), "run.jsonl", summary=False) as atoms.calc:
        VelocityVerlet(atoms, 2 * FS).run(200)
        atoms.calc.results.clear()
        VelocityVerlet(atoms, 2 * FS).run(200)
        BFGS(atoms, logfile=None).run(fmax=0.05, steps=10)


@healthy
def velocities_that_are_rescaled() -> None:
    def rescale(dynamics: Any) -> None:
        momenta = dynamics.atoms.get_momenta()
        dynamics.atoms.set_momenta(momenta * (600 / dynamics.atoms.get_temperature()) ** 0.5)

    run(crystal(1200), Pairs(), 600, observe=lambda dynamics: dynamics.attach(rescale, 50, dynamics))


@healthy
def a_ramp() -> None:
    def warmer(dynamics: Any) -> None:
        dynamics.set_temperature(temperature_K=300 + dynamics.nsteps)

    run(
        crystal(300),
        Pairs(),
        600,
        observe=lambda dynamics: dynamics.attach(warmer, 1, dynamics),
        **langevin(),
    )


@healthy
def a_projectile() -> None:
    atoms = crystal(300)
    momenta = atoms.get_momenta()
    momenta[0] = [60.0, 0, 0]
    atoms.set_momenta(momenta)
    run(atoms, Pairs(), 400, step=0.2)


@healthy
def a_cluster_that_flies_as_a_whole() -> None:
    atoms = heated(Atoms("Cu8", 2.6 * np.array(list(np.ndindex(2, 2, 2)))), 200)
    atoms.set_momenta(atoms.get_momenta() + np.array([20, 0, 0]))
    run(atoms, Pairs(), 300)


@healthy
def a_few_failures() -> None:
    request_forces(displacement=0.001, fails=lambda number: number % 12 == 5)


@healthy
def an_energy_of_zero_for_one_atom() -> None:
    atoms = Atoms("Ar", cell=[10] * 3, pbc=True)
    atoms.set_momenta([[1.0, 0, 0]])
    run(atoms, LennardJones(sigma=3.4, epsilon=0.01, rc=4.0), 100)


@healthy
def single_points_of_many_structures() -> None:
    calculator = Pairs()
    with profiled(calculator, "run.jsonl", summary=False) as shared:
        for seed in range(40):
            atoms = crystal(300, seed=seed)
            atoms.rattle(0.05 * (seed + 1) ** 0.5, seed=seed)
            atoms.calc = shared
            atoms.get_forces()
