"""Evidence about a MACE model from its attributes."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

# Files that models were loaded from. The model does not store its own, and nothing of ours may be stored in
# it.
loaded_from: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def knows(calc: Any) -> bool:
    """Return whether a calculator is mace-torch's.

    Args:
        calc: Any calculator.
    """
    models = getattr(calc, "models", None)
    return (
        type(models) is list
        and len(models) > 0
        and hasattr(calc, "r_max")
        and all(hasattr(models[0], name) for name in ("interactions", "products", "readouts"))
    )


def describe(calc: Any) -> dict[str, Any]:
    """Return the evidence about a MACE calculator's model.

    Args:
        calc: A calculator that `knows` recognises.

    Returns:
        `name`, `parameters` (of one model), `dtype`, `device`, `compiled`, `cutoff` in Angstrom,
        `interactions` (a number), `head`, `library`, and for a committee `models` (a number).
    """
    model = calc.models[0]
    weights = next(model.parameters())
    found = {
        "name": _name(calc),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "dtype": str(weights.dtype).removeprefix("torch."),
        "device": str(weights.device),
        "compiled": is_compiled(model),
        "cutoff": calc.r_max,
        "interactions": len(model.interactions),
        "head": str(getattr(calc, "head", "Default")),
        "library": f"mace-torch {metadata.version('mace-torch')}",
    }
    return found | {"models": len(calc.models)} if len(calc.models) > 1 else found


def is_compiled(model: Any) -> bool:
    """Return whether a model was compiled with torch.compile, as `compile_mode` of the calculator does.

    Args:
        model: A MACE model.
    """
    return type(model).__name__ == "OptimizedModule" or vars(model).get("_compiled_call_impl") is not None


def _name(calc: Any) -> str:
    """Return "MACE" with the name of the model's file if it is known, and the size of a committee."""
    name = Path(loaded_from.get(calc.models[0], "")).stem
    if "mace" not in name.lower():
        name = f"MACE {name}".rstrip()
    return name if len(calc.models) == 1 else f"{name}, committee of {len(calc.models)}"
