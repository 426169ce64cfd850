"""Metals, silicon and solid solutions at their experimental lattice constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.experiments.ranges import check_atoms, check_seed, check_temperature
from instrumented_calc.experiments.systems.lattices import cells_for, repeated
from instrumented_calc.experiments.systems.velocities import set_velocities

if TYPE_CHECKING:
    from collections.abc import Callable

# Symbol, structure and lattice constant in A, at room temperature.
METALS = {
    "aluminum": ("Al", "fcc", 4.0495),
    "iron": ("Fe", "bcc", 2.8665),
    "copper": ("Cu", "fcc", 3.615),
}
SILICON = ("Si", "diamond", 5.431)
# The species of a solution, in order, with their lattice constants: those that mix on one lattice.
SOLUTES = {"Cu": 3.615, "Ni": 3.524, "Pd": 3.891, "Pt": 3.924}


def crystal(name: str) -> Callable[[int, np.random.Generator], Any]:
    """Return the builder of a metal."""
    return lambda n_atoms, _: _repeated_bulk(*METALS[name], n_atoms)


def silicon(n_cells: int, _: np.random.Generator) -> Any:
    """Build silicon of a number of primitive cells, two atoms each."""
    return _repeated_bulk(*SILICON, n_cells)


def solution(n_species: int) -> Callable[[int, np.random.Generator], Any]:
    """Return the builder of a face-centred solid solution of one to four metals.

    They have equal shares, the first ones the remainder, at random places of a lattice of their mean
    constant: only the number of species differs between solutions of one size.
    """
    constants = dict(list(SOLUTES.items())[:n_species])

    def build(n_atoms: int, rng: np.random.Generator) -> Any:
        symbols = list(constants)
        atoms = _repeated_bulk(symbols[0], "fcc", sum(constants.values()) / n_species, n_atoms)
        order = rng.permutation(n_atoms)
        atoms.set_chemical_symbols([symbols[place % n_species] for place in order])
        return atoms

    return build


def copper(n_atoms: int, *, temperature_k: float = 300.0, seed: int = 0) -> Any:
    """Build face-centred copper of whole cubic cells with thermal velocities.

    Args:
        n_atoms: Requested number of atoms; rounded to the nearest number of whole cells of four, as near to
            a cube as that number permits.
        temperature_k: Temperature of the velocities, in K.
        seed: Seed of the velocities.

    Returns:
        Periodic ASE atoms at the experimental lattice constant, 3.615 A.

    Raises:
        ExperimentError: A number is out of range.
    """
    from ase.build import bulk

    check_atoms(n_atoms)
    check_temperature(temperature_k)
    check_seed(seed)
    atoms = bulk("Cu", a=METALS["copper"][2], cubic=True) * cells_for(n_atoms)
    set_velocities(atoms, temperature_k, np.random.default_rng(seed))
    return atoms


def _repeated_bulk(symbol: str, structure: str, constant: float, n_primitive: int) -> Any:
    from ase.build import bulk

    primitive = bulk(symbol, structure, a=constant)
    return repeated(bulk(symbol, structure, a=constant, cubic=True), primitive, n_primitive)
