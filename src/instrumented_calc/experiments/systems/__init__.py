"""Systems by name: physical geometry, seeded, with the requested number of atoms.

All are periodic repetitions of one small cell, for any number of repetitions: a box of whole cells if that
is nearly a cube, else an oblique cell with periodic images as far apart as possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.ranges import (
    LONGEST_SHOWN,
    check_atoms,
    check_seed,
    check_temperature,
)
from instrumented_calc.experiments.systems.crystals import METALS, copper, crystal, silicon, solution
from instrumented_calc.experiments.systems.lattices import cells_for
from instrumented_calc.experiments.systems.molecules import benzene, water
from instrumented_calc.experiments.systems.particles import ellipsoids
from instrumented_calc.experiments.systems.velocities import set_velocities
from instrumented_calc.naming import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "KNOWN",
    "System",
    "build_system",
    "cells_for",
    "copper",
    "find_recipe",
    "set_velocities",
    "true_sizes",
]

ALIASES = {"aluminium": "aluminum"}
MOST_SPECIES = 4


@dataclass(frozen=True)
class Recipe:
    """Recipe of a system.

    Attributes:
        build: Given a number of units and a random generator, returns ASE atoms.
        unit: Atoms in a unit: numbers of atoms are multiples of it.
        unit_name: Name of a unit in messages.
        fewest: The smallest number of units.
        timestep_fs: A suitable time step for its fastest vibration, fs.
    """

    build: Callable[[int, np.random.Generator], Any]
    unit: int = 1
    unit_name: str = "atom"
    fewest: int = 1
    timestep_fs: float = 2.0


@dataclass(frozen=True)
class System:
    """A built system.

    Attributes:
        name: Its name in the registry.
        atoms: Periodic ASE atoms with thermal velocities; `len(atoms)` is the true number.
        note: Difference from the request; empty if there is none.
        timestep_fs: A suitable time step, fs.
    """

    name: str
    atoms: Any
    note: str
    timestep_fs: float


KNOWN: dict[str, Recipe] = {
    "water": Recipe(water, unit=3, unit_name="molecule", timestep_fs=0.5),
    "silicon": Recipe(silicon, unit=2, unit_name="primitive cell"),
    **{name: Recipe(crystal(name)) for name in METALS},
    "benzene": Recipe(benzene, unit=48, unit_name="unit cell of four molecules", timestep_fs=0.5),
    "ellipsoids": Recipe(ellipsoids),
    **{f"species-{k}": Recipe(solution(k), fewest=k) for k in range(1, MOST_SPECIES + 1)},
}


def build_system(name: str, n_atoms: int, *, temperature_k: float = 300.0, seed: int = 0) -> System:
    """Build a system with a number of atoms, or the nearest possible number.

    Args:
        name: One of `KNOWN`.
        n_atoms: Requested number of atoms.
        temperature_k: Temperature of the velocities, K.
        seed: Seed of the velocities and of random positions.

    Raises:
        ExperimentError: The name is unknown, or a number is out of range.
    """
    name = ALIASES.get(name, name)
    recipe = find_recipe(name)
    check_atoms(n_atoms)
    check_temperature(temperature_k)
    check_seed(seed)
    rng = np.random.default_rng(seed)
    units = max(round(n_atoms / recipe.unit), recipe.fewest)
    atoms = recipe.build(units, rng)
    set_velocities(atoms, temperature_k, rng)
    note = ""
    if len(atoms) != n_atoms:
        step = f"{recipe.unit} atoms per {recipe.unit_name}" if recipe.unit > 1 else "one atom per species"
        note = f"{n_atoms} atoms requested; {name} has {len(atoms)}: {step}"
    return System(name=name, atoms=atoms, note=note, timestep_fs=recipe.timestep_fs)


def true_sizes(name: str, wanted: Iterable[int], seed: int) -> tuple[list[int], list[str]]:
    """Return the possible numbers of atoms of a system, ascending, and notes on deviations.

    Args:
        name: The system.
        wanted: Requested numbers of atoms.
        seed: As for `build_system`.

    Raises:
        ExperimentError: The system is unknown, or a number is out of range.
    """
    wanted = list(wanted)
    for n_atoms in wanted:  # all of them before the first is built
        check_atoms(n_atoms)
    built = [build_system(name, n_atoms, seed=seed) for n_atoms in wanted]
    return sorted({len(each.atoms) for each in built}), [each.note for each in built if each.note]


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a system.

    Raises:
        ExperimentError: The name is unknown.
    """
    name = ALIASES.get(name, name)
    if name not in KNOWN:
        hint = did_you_mean(name, KNOWN, cutoff=0.65) or f"known: {', '.join(KNOWN)}"
        message = f"unknown system {name[:LONGEST_SHOWN]!r}; {hint}"
        raise ExperimentError(message)
    return KNOWN[name]
