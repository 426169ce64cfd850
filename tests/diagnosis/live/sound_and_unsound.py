"""The short simulations of `test_soundness` as cases of the bench, and more that are unsound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.md.langevin import Langevin
from tests.diagnosis.case import case
from tests.diagnosis.driven import DRIVEN, DRIVEN_WRONGLY
from tests.diagnosis.live.workloads import FS, Pairs, copper, heated, move
from tests.diagnosis.protocols import PROTOCOLS
from tests.diagnosis.simulations import HEALTHY, RUINED

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

LIVE = {"stored": False, "busy": True}


def _script(simulate: Callable[[], None]) -> Callable[[random.Random, bool], None]:
    return lambda _draw, _planted: simulate()


for _name, (_simulate, _rules) in (RUINED | DRIVEN_WRONGLY).items():
    _answers = {"also": _rules[1:], "twin": False, **LIVE}
    case(_name.replace("_", "-"), _rules[0], **_answers)(_script(_simulate))
TWICE = dict.fromkeys(("a_band", "an_expanding_crystal"), ("evaluations-per-step",))  # sound, but not quick
for _name, _simulate in (HEALTHY | PROTOCOLS | DRIVEN).items():
    case(_name.replace("_", "-"), true_costs=TWICE.get(_name, ()), **LIVE)(_script(_simulate))


class StaleNeighbours(Pairs):
    """Never renews the list of its neighbours, of a short cut-off."""

    renews = False

    def calculate(self, *arguments: Any, **named: Any) -> None:
        super().calculate(*arguments, **named)
        positions = self.atoms.positions
        if not self.renews and not hasattr(self, "near"):
            self.near = np.linalg.norm(positions[:, None] - positions[None], axis=2).min(axis=1) < 1.0
            self.first = positions.copy()
        if not self.renews and self.number > 250:
            moved = np.linalg.norm(positions - self.first, axis=1) > 0.25
            self.results["forces"][moved] *= 0.2


@case(
    "neighbours-never-renewed",
    "energy-drift",
    also=("exploded", "momentum-drift", "temperature-off"),
    **LIVE,
)
def neighbours_never_renewed(draw: random.Random, planted: bool) -> None:
    """Atoms that have moved lose a part of their neighbours, and so of their forces."""
    calculator = StaleNeighbours()
    calculator.renews = not planted
    move(copper(kelvin=900), calculator, 900)


@case("emt-hydrogen-with-6-fs", "energy-drift", also=("exploded", "non-finite"), **LIVE)
def emt_hydrogen_with_6_fs(draw: random.Random, planted: bool) -> None:
    """Hydrogen on copper's potential with a time step for copper."""
    atoms = copper()
    atoms.symbols[:8] = "H"
    move(heated(atoms, 500), EMT(), 250, step=7.0 if planted else 0.25)


@case("thermostat-in-other-units", "temperature-off", also=("exploded",), **LIVE)
def thermostat_in_other_units(draw: random.Random, planted: bool) -> None:
    """Velocities of 30,000 K where 300 K were meant, without enough friction to cool them."""
    options = {"temperature_K": 300, "friction": 1e-4 / FS, "rng": np.random.RandomState(0)}
    move(copper(kelvin=6000 if planted else 600), EMT(), 250, Langevin, **options)


@case("argon-with-its-defaults", "frozen", twin=False, **LIVE)
def argon_with_its_defaults(draw: random.Random, planted: bool) -> None:
    """LennardJones without parameters on argon: all forces are 0, and no step needs a calculation."""
    from ase.build import bulk

    move(bulk("Ar", "fcc", a=5.3, cubic=True), LennardJones(), 4_000)


@case("water-with-half-of-its-forces", "forces-not-gradient", also=("energy-drift",), **LIVE)
def water_with_half_of_its_forces(draw: random.Random, planted: bool) -> None:
    """A patch scales the forces of one element, but not the energy."""

    def scale(_: int, atoms: Any, results: dict[str, Any]) -> None:
        if planted:
            results["forces"][atoms.numbers == 8] *= 0.3

    atoms = heated(molecule("H2O"), 600)
    calculator = Pairs(scale)
    calculator.bond, calculator.depth, calculator.stiffness = 1.0, 3.0, 2.0
    move(atoms, calculator, 1200, step=0.25)


@case("energy-of-another-model", "forces-not-gradient", also=("energy-drift",), **LIVE)
def energy_of_another_model(draw: random.Random, planted: bool) -> None:
    """Forces come from one potential and the energy from another, under a thermostat that hides it."""
    other = Pairs()
    other.depth, other.stiffness = 0.9, 1.2

    def replace(_: int, atoms: Any, results: dict[str, Any]) -> None:
        if planted:
            other.calculate(atoms.copy(), ["energy"])
            results["energy"] = other.results["energy"]

    options = {"temperature_K": 300, "friction": 0.01 / FS, "rng": np.random.RandomState(0)}
    move(copper(), Pairs(replace), 400, Langevin, **options)


@case("energy-that-jumps-once", "energy-drift", also=("exploded",), **LIVE)
def energy_that_jumps_once(draw: random.Random, planted: bool) -> None:
    """The reference energy of the atoms changes when a model is loaded again half-way."""

    def jump(number: int, _: Any, results: dict[str, Any]) -> None:
        if planted and number > 300:
            results["energy"] += 4.0

    move(copper(), Pairs(jump), 600)
