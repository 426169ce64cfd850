"""Small Orb models with seeded random weights, as orb-models' loaders return them."""

import torch
from orb_models.forcefield import pretrained


def built(layers=2):
    """Return an Orb-v2 with seeded random weights, as a loader of orb-models returns a model."""
    torch.manual_seed(0)
    options = {"num_message_passing_steps": layers, "device": "cpu"}
    if hasattr(pretrained, "SystemConfig"):  # orb-models 0.5
        options["system_config"] = pretrained.SystemConfig(radius=6.0, max_num_neighbors=20)
    model = pretrained.orb_v2_architecture(**options).eval().requires_grad_(False)
    if "system_config" in options:
        return model
    return model, pretrained.ForcefieldAtomsAdapter(radius=6.0, max_num_neighbors=20)
