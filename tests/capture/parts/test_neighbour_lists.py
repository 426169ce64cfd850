"""Neighbour lists of ASE, matscipy and vesin are parts of any calculator that uses them."""

import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones
from ase.calculators.morse import MorsePotential
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording

CUTOFF = 4.0


class Counting(Calculator):
    """Counts the neighbours that a library finds."""

    implemented_properties = ("energy",)

    def __init__(self, find):
        super().__init__()
        self.find = find

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Take the number of pairs for an energy."""
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": float(len(self.find(self.atoms)))}


def row_of(calc):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.01, seed=1)
    calc.get_potential_energy(atoms)
    recording(calc).close()
    (row,) = read_records().calls
    return row


@pytest.mark.parametrize("make", [LennardJones, MorsePotential])
def test_those_of_ase_whichever_way_they_are_used(make):
    row = row_of(ProfiledCalculator(make()))
    assert 0 < row["components"]["neighbour list"] < row["wall_ns"]


def test_a_list_that_was_good_enough_is_not_counted_as_built():
    calc = ProfiledCalculator(LennardJones(), journal="run.jsonl", summary=False)
    atoms = bulk("Ar", cubic=True)
    atoms.calc = calc
    for moved in (0.0, 1e-4, 3.0, 1e-4):  # within and beyond the list's skin
        atoms.positions[0, 0] += moved
        atoms.get_potential_energy()
    recording(calc).close()
    assert [row.get("counts") for row in read_records().calls] == [
        {"list builds": 1},
        None,
        {"list builds": 1},
        None,
    ]


def test_those_of_vesin():
    vesin = pytest.importorskip("vesin")

    def find(atoms):
        pairs = vesin.NeighborList(cutoff=CUTOFF, full_list=True)
        (first,) = pairs.compute(points=atoms.positions, box=atoms.cell[:], periodic=True, quantities="i")
        return first

    row = row_of(ProfiledCalculator(Counting(find)))
    assert row["energy_ev"] > 0
    assert 0 < row["components"]["neighbour list"] < row["wall_ns"]


def test_those_of_matscipy_also_where_the_function_was_imported_early():
    neighbours = pytest.importorskip("matscipy.neighbours")
    early = neighbours.neighbour_list
    row = row_of(ProfiledCalculator(Counting(lambda atoms: early("i", atoms, CUTOFF))))
    assert row["energy_ev"] > 0
    assert 0 < row["components"]["neighbour list"] < row["wall_ns"]
