"""NVE molecular dynamics of water with a FeNNol model, recorded.

    python examples/fennol_md.py                  # seeded random weights, made once
    python examples/fennol_md.py ani2x.fnx        # a model that was downloaded before

Random weights of ANI-2x's architecture cost what trained ones do; only their forces mean nothing.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import molecule
from ase.md.verlet import VelocityVerlet

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc_fennol import FeNNolCalculator, random_model

RANDOM_MODEL = Path("ani_random.fnx")
SPACING = 3.1  # A between molecules, that of liquid water


def main() -> None:
    """Run the dynamics and tell what to do next."""
    options = parse_options()
    atoms = water(options.edge)
    # By default a list grows by 5 % when it overflows, and each time two programs are compiled anew.
    # This reaches the list of pairs only: the angles' keep 5 %, and the journal counts their overflows.
    fennol = FeNNolCalculator(options.model or seeded_model(), graph_config={"mult_size": 1.5})
    atoms.calc = ProfiledCalculator(fennol)
    VelocityVerlet(atoms, 0.5 * units.fs).run(options.steps)

    run = recording(atoms.calc).run
    run.close()
    print(f"next: instrumented-calc report {shlex.quote(run.path.name)}")


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="?", help="file of a FeNNol model, .fnx")
    parser.add_argument("--steps", type=int, default=20, help="MD steps of 0.5 fs")
    parser.add_argument("--edge", type=int, default=3, help="molecules along an edge of the periodic cube")
    return parser.parse_args()


def water(edge: int) -> Atoms:
    """Return a periodic cube of water molecules, each turned at random."""
    rng = np.random.default_rng(0)
    box = Atoms(pbc=True, cell=[edge * SPACING] * 3)
    for corner in np.ndindex(edge, edge, edge):
        single = molecule("H2O")
        single.euler_rotate(*rng.uniform(0, 360, 3))
        single.translate(SPACING * np.array(corner))
        box += single
    return box


def seeded_model() -> Path:
    """Return a model with random weights, made the first time."""
    if not RANDOM_MODEL.exists():
        print(f"no model given: random weights (seed 0) go to {RANDOM_MODEL}")
        random_model(RANDOM_MODEL)
    return RANDOM_MODEL


if __name__ == "__main__":
    main()
