"""Small Orb models with seeded random weights, as orb-models' loaders return them."""

import torch
from orb_models.forcefield import pretrained

CONSERVATIVE = "orb_v3_conservative"
DIRECT = "orb_v3_direct"
SMALL_V3 = {"latent_dim": 32, "base_mlp_hidden_dim": 32}


def built(layers=2, kind="orb_v2"):
    """Return a model with seeded random weights, as a loader of orb-models returns it."""
    torch.manual_seed(0)
    options = {"num_message_passing_steps": layers, "device": "cpu"} | ({} if kind == "orb_v2" else SMALL_V3)
    if hasattr(pretrained, "SystemConfig"):  # orb-models 0.5
        options["system_config"] = pretrained.SystemConfig(radius=6.0, max_num_neighbors=20)
    model = getattr(pretrained, f"{kind}_architecture")(**options).eval().requires_grad_(False)
    if "system_config" in options:
        return model
    return model, pretrained.ForcefieldAtomsAdapter(radius=6.0, max_num_neighbors=20)
