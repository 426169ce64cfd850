"""Seeded random weights: the real architecture at its real cost when nothing can be downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ModelError
from instrumented_calc_orb.loading import orb_models

if TYPE_CHECKING:
    import os


def random_weights(path: str | os.PathLike[str], seed: int = 0, *, model: str = "orb-v2") -> Path:
    """Save random weights of an Orb model that orb-models' own loader accepts.

    The model's speed, memory and parts are those of the real one; its forces are meaningless, but small
    (below 0.04 eV/A in silicon), so that MD with it is stable.

    Args:
        path: File to write, 101 MB; `OrbCalculator("orb-v2", weights_path=path)` loads it.
        seed: Seed of torch's random numbers, whose state is restored afterwards.
        model: Name of the model.

    Returns:
        The path.

    Raises:
        ModelError: orb-models cannot be imported, or it has no architecture for this model.
    """
    pretrained = orb_models()
    import torch

    path = Path(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = _architecture(pretrained, model)(device="cpu")
    network = built[0] if isinstance(built, tuple) else built
    torch.save(network.state_dict(), path)
    return path


def _architecture(pretrained: Any, model: str) -> Any:
    """Return orb-models' own builder of a model's architecture."""
    kind = model.replace("-", "_")
    for version in ("orb_v3_conservative", "orb_v3_direct", "orb_v2"):
        if kind.startswith(version):
            return getattr(pretrained, f"{version}_architecture")
    message = (
        f"no random weights for {model!r}: known models are orb-v2, orb-v3-conservative and orb-v3-direct"
    )
    raise ModelError(message)
