"""A model in training mode whose results are random, or depend on the calls before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.soundness.check import Check

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence

NAME = "training-mode"


def check_training(evidence: PhysicsEvidence) -> Check:
    """The model was left in training mode: dropout is active, or normalization adapts to each call."""
    models = [each.model for each in evidence.journal.lanes.values() if isinstance(each.model, dict)]
    layers: dict[str, int] = {}
    for model in models:
        training = model.get("training")
        if isinstance(training, dict):
            layers |= {str(name): number for name, number in training.items() if isinstance(number, int)}
    if not layers:
        text = "no layer of a torch model is in training mode"
        return Check(NAME, "clear", text, n=evidence.calls)
    named = ", ".join(f"{number:,} x {name}" for name, number in sorted(layers.items()))
    text = f"The model is in training mode: {named} active, so each call gives other results"
    return Check(NAME, "flagged", text, layers)
