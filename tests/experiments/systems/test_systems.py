"""Systems: the number of atoms that was asked for, physical geometry, the same each time."""

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.neighborlist import neighbor_list

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.systems import KNOWN, build_system
from instrumented_calc.experiments.systems.lattices import compact_supercell

SIZES = (1, 7, 12, 30, 64, 97, 100, 128, 256, 501)
# Shortest distance between atoms in A, and density in g/cm^3, of the real thing.
PHYSICAL = {
    "water": (0.95, 0.98, 0.99, 1.01),
    "silicon": (2.34, 2.36, 2.32, 2.34),
    "aluminum": (2.85, 2.88, 2.68, 2.72),
    "iron": (2.47, 2.49, 7.85, 7.90),
    "copper": (2.54, 2.57, 8.90, 8.96),
    "benzene": (1.07, 1.10, 1.01, 1.04),
    "ellipsoids": (4.0, 5.1, 1.0, 1.1),
    "species-1": (2.5, 2.7, 8.9, 9.0),
    "species-2": (2.5, 2.7, 8.9, 9.0),
    "species-3": (2.5, 2.7, 9.5, 10.5),
    "species-4": (2.5, 2.7, 11.5, 14.0),
}


def distances(atoms, cutoff=6.0):
    return neighbor_list("d", atoms, cutoff)


def between_molecules(atoms, size):
    i, j, d, shifts = neighbor_list("ijdS", atoms, 4.0)
    return d[(i // size != j // size) | shifts.any(axis=1)]


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("n_atoms", SIZES)
def test_every_size_is_the_nearest_and_the_note_reports_when_it_is_another(name, n_atoms):
    system = build_system(name, n_atoms)
    unit, fewest = KNOWN[name].unit, KNOWN[name].unit * KNOWN[name].fewest
    assert len(system.atoms) % unit == 0
    assert abs(len(system.atoms) - n_atoms) <= max(unit / 2, fewest - n_atoms)
    assert (system.note == "") == (len(system.atoms) == n_atoms)
    if system.note:
        assert f"{n_atoms} atoms requested" in system.note
        assert str(len(system.atoms)) in system.note


@pytest.mark.parametrize("n_atoms", [32, 64, 128, 256, 512, 1024])
@pytest.mark.parametrize("name", ["silicon", "aluminum", "iron", "copper", "species-4"])
def test_the_usual_sizes_are_exact(name, n_atoms):
    assert len(build_system(name, n_atoms).atoms) == n_atoms


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("n_atoms", [12, 97, 250])
def test_distances_and_density_are_those_of_the_real_thing(name, n_atoms):
    atoms = build_system(name, n_atoms).atoms
    nearest, farthest, light, heavy = PHYSICAL[name]
    assert nearest < distances(atoms).min() < farthest
    grams = atoms.get_masses().sum() / units.mol
    assert light < grams / (atoms.get_volume() * 1e-24) < heavy


@pytest.mark.parametrize("n_atoms", [3, 24, 90, 192, 375])
def test_water_molecules_do_not_overlap(n_atoms):
    assert between_molecules(build_system("water", n_atoms).atoms, 3).min() > 1.4


def test_benzene_molecules_are_as_far_apart_as_in_the_crystal():
    atoms = build_system("benzene", 96).atoms
    assert between_molecules(atoms, 12).min() > 2.3
    carbons = atoms[atoms.numbers == 6]
    bonds = distances(carbons, 1.6)
    assert len(bonds) == 2 * len(carbons)
    assert np.allclose(bonds, 1.40, atol=0.02)


@pytest.mark.parametrize("name", KNOWN)
def test_one_seed_gives_one_system_and_another_seed_other_velocities(name):
    first, same, other = (build_system(name, 48, seed=seed).atoms for seed in (3, 3, 4))
    assert (first.positions == same.positions).all()
    assert (first.get_momenta() == same.get_momenta()).all()
    assert (first.get_momenta() != other.get_momenta()).any()


@pytest.mark.parametrize("name", KNOWN)
def test_velocities_have_the_temperature_and_no_drift(name):
    atoms = build_system(name, 48, temperature_k=450).atoms
    assert atoms.get_temperature() == pytest.approx(450)
    assert np.abs(atoms.get_momenta().sum(axis=0)).max() < 1e-9


def test_the_number_of_species_changes_nothing_but_the_species():
    systems = [build_system(f"species-{k}", 60).atoms for k in range(1, 5)]
    assert [len(set(atoms.get_chemical_symbols())) for atoms in systems] == [1, 2, 3, 4]
    assert {len(atoms) for atoms in systems} == {60}
    assert {tuple(np.unique(atoms.numbers, return_counts=True)[1]) for atoms in systems} == {
        (60,),
        (30, 30),
        (20, 20, 20),
        (15, 15, 15, 15),
    }


def test_ellipsoids_have_unit_quaternions_and_diameters():
    atoms = build_system("ellipsoids", 9).atoms
    assert np.linalg.norm(atoms.arrays["c_q"], axis=1) == pytest.approx(1)
    assert all((atoms.arrays[f"c_diameter[{axis}]"] > 0).all() for axis in (1, 2, 3))


@pytest.mark.parametrize("n_cells", [2, 13, 31, 97, 499])
def test_images_of_an_oblique_cell_are_nearly_as_far_apart_as_those_of_a_cube(n_cells):
    primitive = bulk("Cu")
    matrix = compact_supercell(np.array(primitive.cell), n_cells)
    assert round(np.linalg.det(matrix)) == n_cells
    cell = matrix @ np.array(primitive.cell)
    shortest = np.linalg.norm(cell, axis=1).min()
    assert shortest > 0.85 * abs(np.linalg.det(cell)) ** (1 / 3)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("coper", "copper"), ("Silicon", "silicon"), ("watr", "water"), ("species-5", "species-")],
)
def test_a_misspelt_name_is_reported_with_the_nearest_one(name, hint):
    with pytest.raises(ExperimentError, match=rf"unknown system '{name}'; did you mean {hint}"):
        build_system(name, 8)


def test_a_name_that_is_like_none_is_reported_with_all_known_ones():
    with pytest.raises(ExperimentError, match="unknown system 'nope'; known: water, silicon"):
        build_system("nope", 8)


def test_aluminium_is_aluminum():
    assert build_system("aluminium", 4).atoms.get_chemical_formula() == "Al4"


def test_zero_atoms_are_not_a_system():
    with pytest.raises(ExperimentError, match="n_atoms must be an integer from 1 to 1,000,000, not 0"):
        build_system("copper", 0)
