"""Structures in a pool of processes: each worker writes a journal, run.pid1234.jsonl.

instrumented-calc report 'run.pid*.jsonl' shows them on one screen.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from ase.build import bulk
from ase.calculators.emt import EMT

from instrumented_calc import ProfiledCalculator

STRUCTURES = 40
WORKERS = 2

calculators = []  # of this process


def take(calc: EMT) -> None:
    """Keep the calculator that a worker was given."""
    calculators.append(calc)


def energy(number: int) -> float:
    """Return the energy of a structure, in eV."""
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.rattle(0.05, seed=number)
    atoms.calc = calculators[0]
    return atoms.get_potential_energy()


if __name__ == "__main__":
    # Wrapped here and given to the workers, so that their journals belong to this run.
    given = (ProfiledCalculator(EMT()),)
    spawn = get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=spawn, initializer=take, initargs=given) as pool:
        energies = list(pool.map(energy, range(STRUCTURES)))
    print(f"{len(energies)} structures, {min(energies):.2f} to {max(energies):.2f} eV")
