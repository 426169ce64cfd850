"""A small MACE with seeded random weights, for when nothing can be downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ModelError

if TYPE_CHECKING:
    import os

ELEMENTS = range(1, 95)  # hydrogen to plutonium
CUTOFF = 5.0  # Angstrom
ENERGY_SCALE = 1000.0  # eV; the random readout is small: forces in silicon are then about 0.1 eV/A


def random_model(path: str | os.PathLike[str], seed: int = 0, *, channels: int = 16) -> Path:
    """Save a small MACE with random weights, for elements 1 to 94, that mace-torch's own loader accepts.

    It has the parts of a trained model: two interactions, equivariant features, products of many-body order
    3. Its forces are meaningless, but small, so that MD with it is stable.

    Args:
        path: File to write; `MACECalculator(model_paths=path)` loads it.
        seed: Seed of torch's random numbers, whose state is restored afterwards.
        channels: Number of scalar and of vector channels; 128 have the cost of a large model.

    Returns:
        The path.

    Raises:
        ModelError: mace-torch is not installed.
    """
    mace_calculator()
    import numpy as np
    import torch
    from e3nn import o3
    from mace import modules
    from mace.tools.torch_tools import default_dtype

    path = Path(path)
    blocks = modules.interaction_classes
    with torch.random.fork_rng(devices=[]), default_dtype("float32"):
        torch.manual_seed(seed)
        model = modules.ScaleShiftMACE(
            r_max=CUTOFF,
            num_bessel=8,
            num_polynomial_cutoff=5,
            max_ell=2,
            interaction_cls=blocks["RealAgnosticResidualInteractionBlock"],
            interaction_cls_first=blocks["RealAgnosticInteractionBlock"],
            num_interactions=2,
            num_elements=len(ELEMENTS),
            hidden_irreps=o3.Irreps(f"{channels}x0e + {channels}x1o"),
            MLP_irreps=o3.Irreps("16x0e"),
            atomic_energies=np.zeros(len(ELEMENTS)),
            avg_num_neighbors=20.0,
            atomic_numbers=[*ELEMENTS],
            correlation=2,
            gate=torch.nn.functional.silu,
            atomic_inter_scale=ENERGY_SCALE,
            atomic_inter_shift=0.0,
        )
    torch.save(model, path)
    return path


def mace_calculator() -> Any:
    """Return mace-torch's class of calculators.

    Raises:
        ModelError: mace-torch cannot be imported.
    """
    try:
        from mace.calculators import MACECalculator  # before e3nn: it lets torch load e3nn's constants
    except ModuleNotFoundError as error:
        message = f"mace-torch cannot be imported ({error}): pip install 'instrumented-calc[mace]'"
        raise ModelError(message) from error
    return MACECalculator
