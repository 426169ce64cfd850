"""Simulations that begin soundly and are ruined later, and healthy ones that change as much.

Each ruined one names the rules of which one must head the report, and the calls between which it must date
the fault.
"""

from __future__ import annotations

import copy
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import NoseHooverChainNVT
from ase.md.nptberendsen import NPTBerendsen
from ase.md.nvtberendsen import NVTBerendsen
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS, FIRE
from tests.diagnosis.simulations import (
    FS,
    Pairs,
    crystal,
    from_call,
    heated,
    langevin,
    only,
    request_forces,
    run,
)

from instrumented_calc import profiled

if TYPE_CHECKING:
    from collections.abc import Callable


class Turn(NamedTuple):
    """A ruined simulation: the rules that may name it, and the calls with which it may be said to begin."""

    simulate: Callable[[], None]
    rules: tuple[str, ...]
    since: range


RUINED_LATER: dict[str, Turn] = {}
HEALTHY_CHANGES: dict[str, Callable[[], None]] = {}


def ruined(*rules: str, since: range) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a simulation that one of these rules must name first, as begun in one of these calls."""

    def enter(script: Callable[[], None]) -> Callable[[], None]:
        RUINED_LATER[script.__name__] = Turn(script, rules, since)
        return script

    return enter


def healthy(script: Callable[[], None]) -> Callable[[], None]:
    """Enter a simulation that nothing may accuse."""
    HEALTHY_CHANGES[script.__name__] = script
    return script


def at_step(step: int, change: Callable[[Atoms], object]) -> Callable[[Any], object]:
    """Return what attaches an observer that changes the atoms at one step."""

    def attach(dynamics: Any) -> None:
        dynamics.attach(lambda: change(dynamics.atoms) if dynamics.nsteps == step else None, 1)

    return attach


def zero(results: dict[str, Any], _: Atoms) -> None:
    results["forces"] = np.zeros_like(results["forces"])


class Held:
    """Keeps the first results that it sees.

    Args:
        names: The results to keep.
    """

    def __init__(self, *names: str) -> None:
        self.names = names
        self.kept: dict[str, Any] = {}

    def __call__(self, results: dict[str, Any], _: Atoms) -> None:
        if not self.kept:
            self.kept = copy.deepcopy({name: results[name] for name in self.names})
        results.update(copy.deepcopy(self.kept))


# -- no forces --------------------------------------------------------------------------------------


@ruined("frozen", since=range(150, 154))
def forces_are_zero_from_a_call_on() -> None:
    run(crystal(), from_call(150, zero), 400)


@ruined("frozen", since=range(150, 154))
def forces_are_zero_from_a_call_on_in_single_precision() -> None:
    def single(number: int, _: Atoms, results: dict[str, Any]) -> None:
        results["forces"] = (results["forces"] * (number < 150)).astype(np.float32)

    run(crystal(), Pairs(single), 400)


@ruined("frozen", since=range(100, 104))
def forces_are_zero_from_a_call_on_under_langevin() -> None:
    run(crystal(), from_call(100, zero), 400, **langevin())


@ruined("frozen", since=range(60, 64))
def energy_and_forces_are_zero_from_a_call_on() -> None:
    def nothing(results: dict[str, Any], atoms: Atoms) -> None:
        zero(results, atoms)
        results["energy"] = 0.0

    run(crystal(), from_call(60, nothing), 300)


@ruined("frozen", since=range(100, 104))
def forces_are_zero_in_a_stretch_of_calls() -> None:
    run(crystal(), only(lambda n: 100 <= n < 220, zero), 300)


@ruined("frozen", since=range(1, 6))
def forces_are_zero_in_every_second_call() -> None:
    run(crystal(), only(lambda n: n % 2 == 1, zero), 300)


@ruined("frozen", since=range(80, 83))
def all_atoms_are_fixed_from_a_step_on() -> None:
    def fix(atoms: Atoms) -> None:
        atoms.set_constraint(FixAtoms(range(len(atoms))))
        atoms.set_momenta(np.zeros((len(atoms), 3)), apply_constraint=False)

    run(crystal(), Pairs(), 400, observe=at_step(80, fix))


# -- stale ------------------------------------------------------------------------------------------


@ruined("stale", since=range(118, 121))
def energy_is_constant_from_a_call_on() -> None:
    run(crystal(), from_call(120, Held("energy")), 300)


@ruined("stale", since=range(118, 121))
def energy_is_constant_under_langevin() -> None:
    run(crystal(), from_call(120, Held("energy")), 300, **langevin())


@ruined("stale", since=range(118, 121))
def everything_is_constant_under_nose_hoover() -> None:
    calculator = from_call(120, Held("energy", "forces", "stress"))
    run(crystal(), calculator, 300, NoseHooverChainNVT, temperature_K=300, tdamp=50 * FS)


@ruined("stale", "forces-not-gradient", since=range(100, 140))
def forces_are_constant_while_the_energy_changes() -> None:
    run(crystal(), from_call(120, Held("forces")), 300, **langevin())


@ruined("energy-drift", "forces-not-gradient", since=range(17))
def every_result_is_that_of_the_previous_call() -> None:
    previous: dict[str, Any] = {}

    def late(_: int, __: Atoms, results: dict[str, Any]) -> None:
        now = copy.deepcopy(results)
        results.update(previous)
        previous.update(now)

    run(crystal(), Pairs(late), 300, step=4.0)


@ruined("stale", since=range(100, 103))
def results_are_updated_every_tenth_call_only() -> None:
    held: dict[str, Any] = {}

    def seldom(number: int, _: Atoms, results: dict[str, Any]) -> None:
        if number % 25 == 0 or number < 100:
            held.update(copy.deepcopy(results))
        results.update(copy.deepcopy(held))

    run(crystal(), Pairs(seldom), 400, **langevin())


@ruined("stale", since=range(1, 5))
def every_second_call_returns_the_previous_results() -> None:
    held: dict[str, Any] = {}

    def seldom(number: int, _: Atoms, results: dict[str, Any]) -> None:
        if number % 2 == 0:
            held.update(copy.deepcopy(results))
        results.update(copy.deepcopy(held))

    run(crystal(600), Pairs(seldom), 300, **langevin(600))


# -- not numbers ------------------------------------------------------------------------------------


@ruined("non-finite", since=range(100, 103))
def forces_of_an_atom_are_nan_in_three_calls_and_mended() -> None:
    def spoil(results: dict[str, Any], _: Atoms) -> None:
        results["forces"][7] = np.nan

    atoms = crystal()
    with profiled(only(lambda n: 100 <= n < 103, spoil), "run.jsonl", summary=False) as atoms.calc:
        for _ in range(200):
            atoms.positions += 1e-3 * np.nan_to_num(atoms.get_forces())


@ruined("non-finite", since=range(71, 76))
def an_observer_sets_a_position_to_nan() -> None:
    def lose(atoms: Atoms) -> None:
        atoms.positions[3, 1] = np.nan

    run(crystal(), Pairs(), 200, observe=at_step(71, lose))


@ruined("non-finite", since=range(90, 94))
def forces_are_infinite_from_a_call_on() -> None:
    run(crystal(), from_call(90, lambda results, _: results["forces"].fill(np.inf)), 200)


@ruined("non-finite", since=range(90, 96))
def momenta_become_nan() -> None:
    def lose(atoms: Atoms) -> None:
        atoms.arrays["momenta"][2, 0] = np.nan

    run(crystal(), Pairs(), 200, observe=at_step(91, lose))


@ruined("non-finite", since=range(90, 96))
def a_stress_that_is_nan_under_a_barostat() -> None:
    options = {"temperature_K": 300, "pressure_au": 0.0, "taut": 100 * FS, "taup": 200 * FS}
    calculator = from_call(90, lambda results, _: results["stress"].fill(np.nan))
    run(crystal(), calculator, 200, NPTBerendsen, compressibility_au=0.5, **options)


# -- exploded ---------------------------------------------------------------------------------------


@ruined("exploded", "energy-drift", since=range(100, 107))
def forces_a_thousand_times_too_large_in_some_calls() -> None:
    run(crystal(), only(lambda n: 100 <= n < 103, lambda r, _: r["forces"].__imul__(1000)), 400)


@ruined("exploded", since=range(200, 207))
def exploding_and_recovering() -> None:
    calculator = only(lambda n: 200 <= n < 205, lambda r, _: r["forces"].__imul__(3000))
    run(crystal(), calculator, 1500, NVTBerendsen, temperature_K=300, taut=5 * FS)


@ruined("exploded", "energy-drift", since=range(121, 127))
def an_observer_pushes_two_atoms_together() -> None:
    def push(atoms: Atoms) -> None:
        atoms.positions[1] = atoms.positions[0] + [0.1, 0, 0]

    calculator = Pairs()
    calculator.stiffness = 4.0
    run(crystal(), calculator, 400, observe=at_step(121, push))


@ruined("exploded", "energy-drift", since=range(80, 110))
def the_time_step_becomes_too_long() -> None:
    def longer(dynamics: Any) -> None:
        if dynamics.nsteps == 80:
            dynamics.dt = 80 * FS

    run(crystal(), Pairs(), 200, observe=lambda dynamics: dynamics.attach(longer, 1, dynamics))


@ruined("exploded", "energy-drift", since=range(100, 129))
def energy_in_another_unit_from_a_call_on() -> None:
    run(crystal(), from_call(100, lambda r, _: r.update(energy=r["energy"] * 23.06)), 300)


@ruined("exploded", "energy-drift", "stale", since=range(100, 129))
def energy_in_another_unit_under_langevin() -> None:
    run(crystal(), from_call(100, lambda r, _: r.update(energy=r["energy"] * 23.06)), 300, **langevin())


@ruined("energy-drift", "exploded", since=range(100, 130))
def forces_in_another_unit_from_a_call_on() -> None:
    run(crystal(), from_call(100, lambda r, _: r["forces"].__imul__(23.06)), 300)


@ruined("exploded", "volume-change", since=range(1, 250))
def a_cell_that_collapses() -> None:
    options = {"temperature_K": 300, "pressure_au": 10.0, "taut": 100 * FS, "taup": 200 * FS}
    run(crystal(), Pairs(), 400, NPTBerendsen, compressibility_au=0.5, **options)


@ruined("exploded", "energy-drift", since=range(100, 160))
def atoms_drift_away_in_vacuum() -> None:
    def repel(results: dict[str, Any], atoms: Atoms) -> None:
        away = atoms.positions - atoms.positions.mean(axis=0)
        results["forces"] = 5.0 * away
        results["energy"] = -2.5 * float((away**2).sum())

    atoms = heated(Atoms("Cu8", 2.6 * np.array(list(np.ndindex(2, 2, 2)))), 200)
    run(atoms, from_call(100, repel), 400, step=5.0)


# -- drift, temperature, momentum -------------------------------------------------------------------


@ruined("energy-drift", since=range(100, 260))
def friction_from_a_call_on() -> None:
    before: dict[str, Any] = {}

    def drag(number: int, atoms: Atoms, results: dict[str, Any]) -> None:
        if number >= 100:
            results["forces"] -= 3.0 * (atoms.positions - before["r"])
        before["r"] = atoms.positions.copy()

    run(crystal(600), Pairs(drag), 600)


@ruined("temperature-off", since=range(1, 700))
def a_thermostat_that_cannot_hold_its_target() -> None:
    def stop(dynamics: Any) -> None:
        dynamics.atoms.set_momenta(0.5 * dynamics.atoms.get_momenta())

    run(
        crystal(600),
        Pairs(),
        700,
        observe=lambda dynamics: dynamics.attach(stop, 10, dynamics),
        **langevin(600),
    )


@ruined("momentum-drift", "energy-drift", "exploded", since=range(100, 400))
def a_push_on_all_atoms_from_a_call_on() -> None:
    run(crystal(), from_call(100, lambda r, _: r["forces"].__iadd__([0.1, 0, 0])), 500, step=4.0)


# -- failures ---------------------------------------------------------------------------------------


@ruined("calls-failing", since=range(1, 2))
def every_second_call_fails() -> None:
    request_forces(1e-4, lambda number: number % 2 == 1, 120)


@ruined("calls-failing", since=range(90, 91))
def every_call_fails_from_one_on() -> None:
    request_forces(1e-4, lambda number: number >= 90, 120)


@ruined("calls-failing", since=range(40, 42))
def most_calls_fail_from_one_on() -> None:
    request_forces(1e-4, lambda number: number >= 40 and number % 20 != 0, 120)


# -- healthy ----------------------------------------------------------------------------------------


@healthy
def single_precision_noise() -> None:
    def single(_: int, __: Atoms, results: dict[str, Any]) -> None:
        for name in ("forces", "stress"):
            results[name] = results[name].astype(np.float32)
        results["energy"] = np.float32(results["energy"])

    run(crystal(), Pairs(single), 500)


@healthy
def an_energy_read_from_a_file_with_four_digits() -> None:
    run(crystal(50), Pairs(lambda _, __, results: results.update(energy=round(results["energy"], 4))), 400)


@healthy
def a_phase_change_with_a_heat_release() -> None:
    atoms = crystal(300)
    atoms.rattle(0.25, seed=3)
    run(atoms, Pairs(), 600, step=1.0)


@healthy
def melting_with_langevin() -> None:
    run(crystal(300), EMT(), 150, **langevin(4000, 0.05))


@healthy
def an_annealing_ramp() -> None:
    def cooler(dynamics: Any) -> None:
        dynamics.set_temperature(temperature_K=max(2500 - 4 * dynamics.nsteps, 50))

    run(crystal(2500), Pairs(), 600, observe=lambda d: d.attach(cooler, 1, d), **langevin(2500, 0.05))


@healthy
def relaxation_then_md() -> None:
    atoms = crystal(0.001)
    atoms.rattle(0.2, seed=1)
    with warnings.catch_warnings(), profiled(Pairs(), "run.jsonl", summary=False) as atoms.calc:
        warnings.simplefilter("ignore")
        BFGS(atoms, logfile=None).run(fmax=0.01, steps=60)
        heated(atoms, 500)
        Langevin(atoms, 2 * FS, temperature_K=500, friction=0.02 / FS, rng=np.random.RandomState(1)).run(150)
        VelocityVerlet(atoms, 2 * FS).run(200)


@healthy
def relaxation_until_all_forces_are_zero() -> None:
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True)
    with profiled(EMT(), "run.jsonl", summary=False) as atoms.calc:
        FIRE(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-6, steps=80)


@healthy
def a_reaction_that_releases_heat() -> None:
    atoms = heated(molecule("C6H6"), 300)
    atoms.positions[0] += [0.3, 0.2, 0.1]
    calculator = Pairs()
    calculator.bond, calculator.depth, calculator.stiffness = 1.4, 1.0, 2.0
    run(atoms, calculator, 600, step=0.25)


@healthy
def a_quench_at_a_step() -> None:
    def quench(atoms: Atoms) -> None:
        atoms.set_momenta(np.zeros((len(atoms), 3)))

    run(crystal(1000), Pairs(), 400, observe=at_step(200, quench))


@healthy
def a_dimer_whose_atoms_part() -> None:
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.7]])
    atoms.set_momenta([[0, 0, -40.0], [0, 0, 40.0]])
    run(atoms, Pairs(), 300)


@healthy
def gas_atoms_beyond_a_cutoff_between_collisions() -> None:
    atoms = heated(
        Atoms("Ar4", np.random.default_rng(1).uniform(0, 40, (4, 3)), cell=[40] * 3, pbc=True), 600
    )

    def cut(_: int, atoms: Atoms, results: dict[str, Any]) -> None:
        if atoms.get_all_distances(mic=True)[np.triu_indices(4, 1)].min() > 8:
            results["forces"] = np.zeros((4, 3))
            results["energy"] = 0.0

    run(atoms, Pairs(cut), 500, step=5.0)


@healthy
def pressure_applied_at_a_step() -> None:
    def squeeze(dynamics: Any) -> None:
        if dynamics.nsteps == 150:
            dynamics.pressure = 2.0 * units.GPa

    options = {"temperature_K": 300, "pressure_au": 0.0, "taut": 100 * FS, "taup": 200 * FS}
    run(
        crystal(300),
        Pairs(),
        500,
        NPTBerendsen,
        observe=lambda d: d.attach(squeeze, 1, d),
        compressibility_au=1.0,
        **options,
    )


@healthy
def a_few_calls_that_fail_at_the_end() -> None:
    request_forces(1e-4, lambda number: number in {100, 101, 118, 119}, 120)


@healthy
def a_run_that_is_stopped_and_continued() -> None:
    atoms = crystal(300)
    with warnings.catch_warnings(), profiled(Pairs(), "run.jsonl", summary=False) as atoms.calc:
        warnings.simplefilter("ignore")
        for _ in range(6):
            Langevin(atoms, 2 * FS, temperature_K=300, friction=0.02 / FS, rng=np.random.RandomState(1)).run(
                50
            )


@healthy
def strained_copies_that_share_the_calculator() -> None:
    def strain(dynamics: Any) -> None:
        for scale in (0.85, 1.2):
            asked = dynamics.atoms.copy()
            asked.calc = dynamics.atoms.calc
            asked.set_cell(asked.cell * scale, scale_atoms=True)
            asked.get_potential_energy()

    run(crystal(300), Pairs(), 200, observe=lambda d: d.attach(strain, 1, d))


@healthy
def a_displaced_atom_that_is_put_back() -> None:
    def displace(dynamics: Any) -> None:
        places = dynamics.atoms.positions.copy()
        dynamics.atoms.positions[0] += 1.2
        dynamics.atoms.get_potential_energy()
        dynamics.atoms.positions[:] = places

    run(crystal(300), Pairs(), 200, observe=lambda d: d.attach(displace, 1, d))


@healthy
def a_smaller_structure_that_shares_the_calculator() -> None:
    other = crystal(300)[:20]
    other.set_cell(3 * other.cell)

    def ask(dynamics: Any) -> None:
        other.calc = dynamics.atoms.calc
        other.rattle(0.01, seed=dynamics.nsteps)
        other.get_potential_energy()

    run(crystal(300), Pairs(), 200, observe=lambda d: d.attach(ask, 1, d))


@healthy
def two_runs_of_md_that_share_a_calculator() -> None:
    pair = [crystal(300), crystal(900, seed=5)]
    pair[1].set_cell(pair[1].cell * 1.3, scale_atoms=True)
    with profiled(Pairs(), "run.jsonl", summary=False) as shared:
        drivers = []
        for atoms in pair:
            atoms.calc = shared
            drivers.append(VelocityVerlet(atoms, 2 * FS))
        for _ in range(60):
            for driver in drivers:
                driver.run(2)
