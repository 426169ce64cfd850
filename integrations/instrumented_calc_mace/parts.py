"""The timed parts of a MACE calculator.

The members of a committee share their rows. Nothing inside a compiled model is touched: it is one part.
"""

from __future__ import annotations

import sys
from typing import Any

from instrumented_calc.integration import Part
from instrumented_calc_mace.evidence import is_compiled

# Modules of a model, or lists of them: name and group of the part they belong to.
MODULES = {
    "node_embedding": ("embedding", "model"),
    "joint_embedding": ("embedding", "model"),
    "radial_embedding": ("embedding", "model"),
    "spherical_harmonics": ("embedding", "model"),
    "interactions": ("interactions", "model"),
    "products": ("products", "model"),
    "pair_repulsion_fn": ("pair repulsion", "energy"),
    "atomic_energies_fn": ("readout", "energy"),
    "embedding_readout": ("readout", "energy"),
    "readouts": ("readout", "energy"),
    "scale_shift": ("readout", "energy"),
}
LISTS = ("interactions", "products", "readouts")


def parts(calc: Any) -> list[Part]:
    """Return graph construction, embedding, interactions, products, readout and backward pass.

    Args:
        calc: A MACE calculator.
    """
    found = [Part("graph", calc, "_atoms_to_batch", "neighbours", _edges)]
    for model in calc.models:
        found += _compiled(model) if is_compiled(model) else [*_modules(model), *_backward(model)]
    return found


def _edges(batch: Any) -> dict[str, int]:
    """Count edges; not in a batch that was padded with a second graph for torch.compile."""
    return {"edges": batch.edge_index.shape[1]} if len(batch.ptr) == 2 else {}  # noqa: PLR2004 - start, end


def _compiled(model: Any) -> list[Part]:
    entry = "forward" if type(model).__name__ == "OptimizedModule" else "_compiled_call_impl"
    return [Part("model (compiled)", model, entry)]


def _modules(model: Any) -> list[Part]:
    return [
        Part(name, module, "forward", group)
        for attribute, (name, group) in MODULES.items()
        if hasattr(model, attribute)
        for module in (getattr(model, attribute) if attribute in LISTS else [getattr(model, attribute)])
    ]


def _backward(model: Any) -> list[Part]:
    consumer = sys.modules[type(model).__module__]  # it has bound the function by name
    name = "get_outputs"
    # The gradient gives forces and stress together, so it belongs to neither alone.
    return [Part("backward (forces, stress)", consumer, name)] if hasattr(consumer, name) else []
