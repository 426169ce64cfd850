"""Evidence about an Orb model from its attributes."""

from __future__ import annotations

from importlib import metadata
from typing import Any
from weakref import WeakKeyDictionary

# Names that models were loaded under. The model does not store its own, and nothing of ours may be stored in
# it.
loaded_as: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def knows(calc: Any) -> bool:
    """Return whether a calculator runs an Orb model, of any version of orb-models.

    Args:
        calc: Any calculator.
    """
    regressor = regressor_of(calc)
    return hasattr(regressor, "heads") and hasattr(getattr(regressor, "model", None), "gnn_stacks")


def regressor_of(calc: Any) -> Any:
    """Return the Orb model of a calculator: inside a sum with a D3 correction, if there is one.

    Args:
        calc: Any calculator.
    """
    model = getattr(calc, "model", None)
    return getattr(model, "xc_model", model)


def describe(calc: Any) -> dict[str, Any]:
    """Return the evidence about an Orb calculator's model.

    Args:
        calc: A calculator that `knows` recognises.

    Returns:
        `name`, `parameters` (a number), `dtype`, `device`, `compiled`, `precision`, `conservative`
        (forces are the gradient of the energy), `message_passing_steps` and `library`.
    """
    regressor = regressor_of(calc)
    weights = next(regressor.parameters())
    dtype = str(weights.dtype).removeprefix("torch.")
    return {
        "name": _name(regressor),
        "parameters": sum(parameter.numel() for parameter in regressor.parameters()),
        "dtype": dtype,
        "device": str(weights.device),
        "compiled": is_compiled(regressor),
        "precision": _precision(dtype, weights.device.type),
        "conservative": bool(getattr(calc, "conservative", is_conservative(regressor))),
        "message_passing_steps": len(regressor.model.gnn_stacks),
        "library": f"orb-models {metadata.version('orb-models')}",
    }


def is_compiled(regressor: Any) -> bool:
    """Return whether torch.compile takes effect on a model or a part of it.

    Args:
        regressor: An Orb model. orb-models 0.5 and 0.6 compile its backbone; 0.7 compiles the whole, which
            has no effect on direct models: their `predict` does not call the whole.
    """
    return is_compiled_whole(regressor) or any(
        getattr(module, "_compiled_call_impl", None) is not None or type(module).__name__ == "OptimizedModule"
        for module in regressor.modules()
        if module is not regressor
    )


def is_compiled_whole(regressor: Any) -> bool:
    """Return whether a model is compiled, and is called, as a whole.

    Args:
        regressor: An Orb model.
    """
    return is_conservative(regressor) and vars(regressor).get("_compiled_call_impl") is not None


def _name(regressor: Any) -> str:
    """Return the name a model was loaded under, else that of its architecture."""
    name = loaded_as.get(regressor)
    if name is not None:
        return name[:1].upper() + name[1:]
    # Orb-v2 expands distances in a plain function, Orb-v3 in a module of Bessel functions.
    if type(getattr(regressor.model, "rbf_transform", None)).__name__ != "BesselBasis":
        return "Orb-v2"
    return "Orb-v3-conservative" if is_conservative(regressor) else "Orb-v3-direct"


def is_conservative(regressor: Any) -> bool:
    """Return whether a model's forces are the gradient of its energy.

    Args:
        regressor: An Orb model.
    """
    return hasattr(regressor, "grad_forces_name")


def _precision(dtype: str, device: str) -> str:
    """Return orb-models' name of the precision in force, and whether TF32 is in use."""
    import torch

    if dtype != "float32":
        return dtype
    try:
        setting = torch.get_float32_matmul_precision()
    except RuntimeError:  # the program uses torch 2.9's newer setting, which excludes this one
        return f"{dtype} ({torch.backends.cuda.matmul.fp32_precision})"
    if device != "cuda":
        return f"{dtype}-{setting}"
    return f"{dtype}-{setting} (TF32 {'off' if setting == 'highest' else 'on'})"
