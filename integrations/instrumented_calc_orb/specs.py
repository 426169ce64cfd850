"""Orb on the command line: `orb-v2`, `orb-v2:FILE`, `orb-v2:random`, `orb-v3-conservative[:...]`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from instrumented_calc_orb.loading import OrbCalculator
from instrumented_calc_orb.weights import random_weights

# Common names, and the corresponding model recommended by orb-models.
SHORT = {
    "orb-v3-conservative": "orb-v3-conservative-inf-omat",
    "orb-v3-direct": "orb-v3-direct-inf-omat",
}
DEFAULT, RANDOM = "orb-v2", "random"
FORMS = (DEFAULT, f"{DEFAULT}:FILE", f"{DEFAULT}:{RANDOM}", *SHORT)


def build(spec: str) -> Any | None:
    """Return the Orb calculator of a spec, or None if the spec belongs to another library.

    Args:
        spec: `NAME`, `NAME:FILE` with the weights' file, or `NAME:random` for seeded random weights, which
            are saved to a file and loaded from there; not compiled, since compiling takes minutes.

    Raises:
        ModelError: orb-models is not installed, or the model cannot be loaded.
    """
    name, _, source = spec.partition(":")
    if not name.startswith(("orb-", "orbmol-")):
        return None
    model = SHORT.get(name, name)
    if not source:
        return OrbCalculator(model)
    if source != RANDOM:
        return OrbCalculator(model, weights_path=source, compile=False)
    with tempfile.TemporaryDirectory() as folder:
        weights = random_weights(Path(folder) / "random.ckpt", model=model)
        return OrbCalculator(model, weights_path=weights, compile=False)
