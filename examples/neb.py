"""An adatom hops on Al(100): a nudged elastic band whose images share one journal, run.jsonl."""

from ase import Atoms
from ase.build import add_adsorbate, fcc100
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.mep import NEB
from ase.optimize import BFGS

from instrumented_calc import ProfiledCalculator

IMAGES = 5


def slab(place: str) -> Atoms:
    """Return a slab with a gold atom in a hollow, relaxed."""
    atoms = fcc100("Al", size=(2, 2, 3), vacuum=10)
    add_adsorbate(atoms, "Au", 1.7, place)
    atoms.set_constraint(FixAtoms(mask=atoms.get_tags() > 1))
    atoms.calc = ProfiledCalculator(EMT())
    BFGS(atoms, logfile=None).run(fmax=0.05)
    return atoms


first = slab("hollow")
last = first.copy()
last.positions[-1, 0] += last.cell[0, 0] / 2
last.calc = ProfiledCalculator(EMT())
BFGS(last, logfile=None).run(fmax=0.05)

images = [first, *(first.copy() for _ in range(IMAGES - 2)), last]
band = NEB(images)
band.interpolate()
for image in images[1:-1]:
    image.calc = ProfiledCalculator(EMT())
BFGS(band, logfile=None).run(fmax=0.05, steps=50)

energies = [image.get_potential_energy() for image in images]
print(f"barrier {max(energies) - energies[0]:.2f} eV")
