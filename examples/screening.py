"""Single points of 300 structures: one journal, run.jsonl, whose report has a table by size and formula."""

from ase.build import bulk
from ase.calculators.emt import EMT

from instrumented_calc import ProfiledCalculator

STRUCTURES = 300
ELEMENTS = ("Al", "Cu", "Ni", "Pt")

energies = []
for number in range(STRUCTURES):
    element, cells = ELEMENTS[number % len(ELEMENTS)], 1 + number % 3
    atoms = bulk(element, cubic=True) * (cells, 1, 1)
    atoms.rattle(0.05, seed=number)
    atoms.calc = ProfiledCalculator(EMT())
    energies.append(atoms.get_potential_energy() / len(atoms))

print(f"{len(energies)} structures, {min(energies):.3f} to {max(energies):.3f} eV per atom")
