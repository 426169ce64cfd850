"""Simulations in which something outside acts on the atoms: a bias, a moving restraint, a field.

The energy of the atoms alone is not conserved then, and nothing may accuse them; twins whose forces do not
belong to that energy are ruined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from tests.diagnosis.protocols import GrowingBias
from tests.diagnosis.simulations import Pairs, crystal, heated, langevin, run

if TYPE_CHECKING:
    from collections.abc import Callable

DRIVEN: dict[str, Callable[[], None]] = {}
DRIVEN_WRONGLY: dict[str, tuple[Callable[[], None], tuple[str, ...]]] = {}


def driven(script: Callable[[], None]) -> Callable[[], None]:
    """Enter a simulation that nothing may accuse."""
    DRIVEN[script.__name__] = script
    return script


def ruined(*rules: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a simulation that one of these rules must name."""

    def enter(script: Callable[[], None]) -> Callable[[], None]:
        DRIVEN_WRONGLY[script.__name__] = script, rules
        return script

    return enter


def cluster(kelvin: float = 200.0) -> Atoms:
    """Return 8 warm atoms in vacuum."""
    return heated(Atoms("Cu8", 2.6 * np.array(list(np.ndindex(2, 2, 2)))), kelvin)


# -- energy that depends on time --------------------------------------------------------------------


@driven
def metadynamics_without_a_thermostat() -> None:
    run(crystal(300), GrowingBias(), 1500)


class MovingRestraint(Pairs):
    """A spring between two atoms whose length grows with time, as in steered MD.

    Attributes:
        sign: Of the spring's forces.
    """

    stiff, speed, sign = 5.0, 0.004, 1.0  # eV/A^2, A per call

    def calculate(self, *arguments: Any, **named: Any) -> None:
        super().calculate(*arguments, **named)
        away = self.atoms.positions[31] - self.atoms.positions[0]
        length = float(np.linalg.norm(away))
        self.begun = getattr(self, "begun", length)
        beyond = length - self.begun - self.speed * self.number
        pull = self.sign * self.stiff * beyond * away / length
        self.results["energy"] += 0.5 * self.stiff * beyond**2
        self.results["forces"][[0, 31]] += [pull, -pull]


@driven
def a_restraint_that_moves() -> None:
    run(crystal(300), MovingRestraint(), 1500)


@ruined("forces-not-gradient", "energy-drift", "exploded")
def a_restraint_that_pulls_the_wrong_way() -> None:
    calculator = MovingRestraint()
    calculator.sign = -1.0
    run(crystal(300), calculator, 1500)


class OscillatingField(Pairs):
    """Half of the atoms have a positive charge, half a negative one, in a field that oscillates.

    Attributes:
        included: Whether the energy contains that of the field.
    """

    strength, period, included = 0.3, 60, True  # eV/A, calls

    def calculate(self, *arguments: Any, **named: Any) -> None:
        super().calculate(*arguments, **named)
        charges = np.where(np.arange(len(self.atoms)) % 2, 1.0, -1.0)
        field = self.strength * np.sin(2 * np.pi * self.number / self.period)
        self.results["forces"][:, 2] += charges * field
        if self.included:
            self.results["energy"] -= float(field * (charges * self.atoms.positions[:, 2]).sum())


@driven
def a_field_that_oscillates() -> None:
    run(crystal(300), OscillatingField(), 1200)


@driven
def a_field_that_oscillates_under_langevin() -> None:
    run(crystal(300), OscillatingField(), 1200, **langevin())


@ruined("forces-not-gradient", "energy-drift", "exploded")
def a_field_whose_forces_have_another_unit() -> None:
    calculator = OscillatingField(lambda _, __, results: results["forces"].__imul__(23.06))
    run(crystal(300), calculator, 300, step=0.2)


# -- fields that are constant -----------------------------------------------------------------------


class Gravity(Pairs):
    """A uniform field, stronger than on earth, that acts on all masses.

    Attributes:
        included: Whether the energy contains that of the field.
    """

    strength, included = 1e-3, True  # eV/A/u

    def calculate(self, *arguments: Any, **named: Any) -> None:
        super().calculate(*arguments, **named)
        weights = self.strength * self.atoms.get_masses()
        self.results["forces"][:, 2] -= weights
        if self.included:
            self.results["energy"] += float((weights * self.atoms.positions[:, 2]).sum())


@driven
def a_cluster_that_falls() -> None:
    run(cluster(), Gravity(), 600)


@driven
def a_cluster_that_falls_under_langevin() -> None:
    run(cluster(), Gravity(), 600, **langevin(200, 0.001))


@driven
def ions_in_a_uniform_field() -> None:
    def attract(_: int, atoms: Atoms, results: dict[str, Any]) -> None:
        results["forces"][:, 0] += 0.05
        results["energy"] -= 0.05 * float(atoms.positions[:, 0].sum())

    run(cluster(), Pairs(attract), 800)


@ruined("momentum-drift", "energy-drift", "forces-not-gradient")
def a_cluster_that_falls_without_a_potential() -> None:
    calculator = Gravity()
    calculator.included = False
    run(cluster(), calculator, 600)


@driven
def a_cluster_that_a_constraint_lets_fall() -> None:
    atoms = cluster()
    atoms.set_constraint(Falling())
    run(atoms, Pairs(), 600)


class Falling:
    """A uniform field as a constraint of ASE."""

    def get_removed_dof(self, atoms: Atoms) -> int:
        return 0

    def adjust_positions(self, atoms: Atoms, new: Any) -> None:
        pass

    def adjust_momenta(self, atoms: Atoms, momenta: Any) -> None:
        pass

    def adjust_forces(self, atoms: Atoms, forces: Any) -> None:
        forces[:, 2] -= Gravity.strength * atoms.get_masses()

    def adjust_potential_energy(self, atoms: Atoms) -> float:
        return float(Gravity.strength * atoms.get_masses() @ atoms.positions[:, 2])
