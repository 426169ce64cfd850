"""Profiled Langevin dynamics of ellipsoids with an AniSOAP model.

    python examples/anisoap_md.py                  # a small model with seeded random weights
    python examples/anisoap_md.py model.npz        # a model saved by instrumented_calc_anisoap.Model

Orientations stay fixed: ASE's dynamics moves particles but does not rotate them.
"""

from __future__ import annotations

import argparse
import shlex

import numpy as np
from ase import units
from ase.data import chemical_symbols
from ase.md.langevin import Langevin

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.errors import ModelError
from instrumented_calc_anisoap import AniSOAPCalculator, Model, default_model, ellipsoids

MASS = 78.0  # of benzene, in u; ASE gives X a mass of 1


def main() -> None:
    """Run the dynamics and print the next command."""
    options = parse_options()
    model = Model.load(options.model) if options.model else default_model()
    species = tuple(chemical_symbols[number] for number in model.species)
    (atoms,) = ellipsoids(1, options.particles, species)
    atoms.set_masses(np.full(len(atoms), MASS))
    atoms.rattle(0.1, seed=0)  # at symmetric positions all forces are zero
    atoms.calc = ProfiledCalculator(AniSOAPCalculator(model))
    dynamics = Langevin(
        atoms,
        2 * units.fs,
        temperature_K=300,
        friction=0.01 / units.fs,
        rng=np.random.RandomState(0),
        fixcm=False,
    )
    dynamics.run(options.steps)

    run = recording(atoms.calc).run
    run.close()
    print(f"next: instrumented-calc report {shlex.quote(run.path.name)}")


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="?", help="model file, .npz")
    parser.add_argument("--steps", type=int, default=10, help="MD steps of 2 fs")
    parser.add_argument("--particles", type=int, default=8, help="particles in the periodic box")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except ModelError as error:  # the library is missing, or the file is no model
        raise SystemExit(str(error)) from None
