"""The timed parts of an Orb calculator, for orb-models 0.5 and, detected by its attributes, 0.6 and 0.7.

Nothing inside a compiled model or backbone is touched: a hook there would retrace it at every call, or
silently run it uncompiled. It is then timed through its compiled entry, as a whole.
"""

from __future__ import annotations

import sys
from typing import Any

from instrumented_calc.integration import Part
from instrumented_calc_orb.evidence import is_compiled_whole, regressor_of

HEAD_GROUPS = {"energy": "energy", "forces": "forces", "stress": "stress"}


def parts(calc: Any) -> list[Part]:
    """Return graph construction, encoder, message passing, heads, backward pass and results to host.

    Args:
        calc: An Orb calculator.
    """
    regressor = regressor_of(calc)
    return [
        *_graph(calc),
        *_model(regressor),
        *_dispersion(calc.model),
        Part("results to host", calc, "_update_results"),
    ]


def _model(regressor: Any) -> list[Part]:
    if is_compiled_whole(regressor):
        return [Part("model (compiled)", regressor, "_compiled_call_impl")]
    return [
        *_backbone(regressor.model),
        *_heads(regressor),
        *_repulsion(regressor),
        *_backward(regressor),
    ]


def _dispersion(model: Any) -> list[Part]:
    """Return the D3 correction that is added to an Orb model, from orb-models 0.6 on."""
    return [Part("dispersion", model.d3_model, "predict")] if hasattr(model, "d3_model") else []


def _graph(calc: Any) -> list[Part]:
    adapter = getattr(calc, "adapter", None)
    if hasattr(adapter, "from_ase_atoms"):
        return [Part("graph", adapter, "from_ase_atoms", "neighbours", _edges)]
    consumer = sys.modules[type(calc).__module__]  # it has bound the function by name
    return [Part("graph", consumer, "ase_atoms_to_atom_graphs", "neighbours", _edges)]


def _edges(graph: Any) -> dict[str, int]:
    return {"edges": len(graph.senders)}  # a tensor's length is known to the host


def _backbone(backbone: Any) -> list[Part]:
    if vars(backbone).get("_compiled_call_impl") is not None:
        return [Part("backbone (compiled)", backbone, "_compiled_call_impl", "model")]
    if type(backbone).__name__ == "OptimizedModule":
        return [Part("backbone (compiled)", backbone, "forward", "model")]
    found = [
        Part("featurise", backbone, name, "model")
        for name in ("featurize_edges", "featurize_nodes")
        if hasattr(backbone, name)
    ]
    found += [
        Part(name, getattr(backbone, attribute), "forward", "model")
        for name, attribute in (("encoder", "_encoder"), ("decoder", "_decoder"))
        if getattr(backbone, attribute, None) is not None
    ]
    return found + [Part("message passing", stack, "forward", "model") for stack in backbone.gnn_stacks]


def _heads(regressor: Any) -> list[Part]:
    return [
        Part(f"{name} head", head, attribute, HEAD_GROUPS.get(name, ""))
        for name, head in regressor.heads.items()
        for attribute in (
            "forward",
            "predict",
        )  # direct models enter through predict, conservative ones do not
        if hasattr(head, attribute)
    ]


def _repulsion(regressor: Any) -> list[Part]:
    repulsion = getattr(regressor, "pair_repulsion_fn", None)
    return [] if repulsion is None else [Part("pair repulsion", repulsion, "forward")]


def _backward(regressor: Any) -> list[Part]:
    consumer = sys.modules[type(regressor).__module__]
    name = "compute_gradient_forces_and_stress"
    # The gradient gives forces and stress together, so it belongs to neither alone.
    return [Part("backward (forces, stress)", consumer, name)] if hasattr(consumer, name) else []
