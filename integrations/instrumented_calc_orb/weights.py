"""Seeded random weights: the real architecture at its real cost where nothing can be downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os


def random_weights(path: str | os.PathLike[str], seed: int = 0) -> Path:
    """Save random weights of Orb-v2 that orb-models' own loader accepts.

    The model's speed, memory and parts are those of Orb-v2; its forces mean nothing, but are small
    (below 0.04 eV/A in silicon), so that MD with it is stable.

    Args:
        path: File to write, 101 MB; `OrbCalculator("orb-v2", weights_path=path)` loads it.
        seed: Of torch's random numbers, whose state is put back afterwards.

    Returns:
        The path.
    """
    import torch  # noqa: PLC0415 - only who builds a model needs it
    from orb_models.forcefield import pretrained  # noqa: PLC0415 - likewise

    path = Path(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = pretrained.orb_v2_architecture(device="cpu")
    model = built[0] if isinstance(built, tuple) else built
    torch.save(model.state_dict(), path)
    return path
