"""Profiled NVE dynamics of silicon with a MACE model.

    python examples/mace_md.py                # a small model with seeded random weights, created on first use
    python examples/mace_md.py mace.model     # a downloaded or fitted model; several are a committee

The random model has the parts of a trained one; its forces are meaningless.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from ase import units
from ase.build import bulk
from ase.md.verlet import VelocityVerlet

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.errors import ModelError
from instrumented_calc_mace import mace_calculator, random_model

RANDOM_MODEL = Path("mace_random.model")


def main() -> None:
    """Run the dynamics and print the next command."""
    options = parse_options()
    atoms = bulk("Si", cubic=True).repeat(options.edge)
    atoms.rattle(0.05, seed=0)
    models = options.models or [seeded_model()]
    mace = mace_calculator()(model_paths=models, device=options.device)
    atoms.calc = ProfiledCalculator(mace)
    VelocityVerlet(atoms, 1 * units.fs).run(options.steps)

    run = recording(atoms.calc).run
    run.close()
    print(f"next: instrumented-calc report {shlex.quote(run.path.name)}")


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", help="model files of mace-torch")
    parser.add_argument("--steps", type=int, default=20, help="MD steps of 1 fs")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--edge", type=int, default=2, help="cells of 8 atoms along an edge")
    return parser.parse_args()


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
