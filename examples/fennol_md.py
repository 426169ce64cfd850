"""Profiled NVE dynamics of water with a FeNNol model.

    python examples/fennol_md.py                  # seeded random weights, created on first use
    python examples/fennol_md.py ani2x.fnx        # a downloaded model

Random weights of ANI-2x's architecture cost as much as trained ones; only the forces are meaningless.
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
from instrumented_calc.errors import ModelError
from instrumented_calc_fennol import FeNNolCalculator, random_model

RANDOM_MODEL = Path("ani_random.fnx")
SPACING = 3.1  # Angstrom between molecules, as in liquid water


def main() -> None:
    """Run the dynamics and print the next command."""
    options = parse_options()
    atoms = water(options.edge)
    # By default a list grows by 5 % when it overflows, and each overflow recompiles two programs.
    # This setting affects the pair list only: angle lists keep 5 %, and the journal counts their overflows.
    fennol = FeNNolCalculator(options.model or seeded_model(), graph_config={"mult_size": 1.5})
    atoms.calc = ProfiledCalculator(fennol)
    VelocityVerlet(atoms, 0.5 * units.fs).run(options.steps)

    run = recording(atoms.calc).run
    run.close()
    print(f"next: instrumented-calc report {shlex.quote(run.path.name)}")


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="?", help="FeNNol model file, .fnx")
    parser.add_argument("--steps", type=int, default=20, help="MD steps of 0.5 fs")
    parser.add_argument("--edge", type=int, default=3, help="molecules along an edge of the periodic cube")
    return parser.parse_args()


def water(edge: int) -> Atoms:
    """Return a periodic cube of water molecules, each rotated at random."""
    rng = np.random.default_rng(0)
    box = Atoms(pbc=True, cell=[edge * SPACING] * 3)
    for corner in np.ndindex(edge, edge, edge):
        single = molecule("H2O")
        single.euler_rotate(*rng.uniform(0, 360, 3))
        single.translate(SPACING * np.array(corner))
        box += single
    return box


def seeded_model() -> Path:
    """Return the path of a model with random weights; create it on first use."""
    if not RANDOM_MODEL.exists():
        print(f"no model given: using random weights (seed 0) in {RANDOM_MODEL}")
        random_model(RANDOM_MODEL)
    return RANDOM_MODEL


if __name__ == "__main__":
    try:
        main()
    except ModelError as error:  # the library is missing, or the file is no model
        raise SystemExit(str(error)) from None
