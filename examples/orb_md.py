"""Profiled NVE dynamics of silicon with Orb-v2.

    python examples/orb_md.py                          # seeded random weights, created on first use
    python examples/orb_md.py orb-v2-20241011.ckpt     # downloaded weights

Random weights cost as much as trained ones; only the forces are meaningless.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from ase import Atoms, units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.errors import ModelError
from instrumented_calc_orb import OrbCalculator, random_weights

RANDOM_WEIGHTS = Path("orb_v2_random.ckpt")
ATOMS_PER_CELL = 8


def main() -> None:
    """Run the dynamics and print the next command."""
    options = parse_options()
    atoms = silicon(options.atoms)
    orb = OrbCalculator(
        "orb-v2",
        weights_path=options.weights or seeded_weights(),
        compile=False,  # compiling takes minutes on a CPU
        device=options.device,
    )
    atoms.calc = ProfiledCalculator(orb)
    VelocityVerlet(atoms, 1 * units.fs).run(options.steps)

    run = recording(atoms.calc).run
    run.close()
    print(f"next: instrumented-calc report {shlex.quote(run.path.name)}")


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("weights", nargs="?", help="file or URL of Orb-v2 weights")
    parser.add_argument("--steps", type=int, default=10, help="MD steps of 1 fs")
    parser.add_argument("--atoms", type=int, default=64, help="number of atoms: 8, 64, 216, 512, ...")
    parser.add_argument("--device", help="cpu, cuda, ...; default: a GPU if there is one")
    return parser.parse_args()


def silicon(n_atoms: int) -> Atoms:
    """Return a cube of diamond silicon with displaced atoms, so that forces are not zero."""
    edge = round((n_atoms / ATOMS_PER_CELL) ** (1 / 3))
    if edge**3 * ATOMS_PER_CELL != n_atoms:
        message = f"--atoms {n_atoms}: a cube of silicon has 8, 64, 216, 512, ... atoms"
        raise SystemExit(message)
    atoms = bulk("Si", cubic=True).repeat(edge)
    atoms.rattle(0.05, seed=0)
    return atoms


def seeded_weights() -> Path:
    """Return the path of random weights; create them on first use."""
    if not RANDOM_WEIGHTS.exists():
        print(f"no weights given: using random ones (seed 0) in {RANDOM_WEIGHTS}")
        random_weights(RANDOM_WEIGHTS)
    return RANDOM_WEIGHTS


if __name__ == "__main__":
    try:
        main()
    except ModelError as error:  # the library is missing, or the file is no model
        raise SystemExit(str(error)) from None
