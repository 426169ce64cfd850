"""Evidence about a FeNNol model from its attributes."""

from __future__ import annotations

import weakref
from importlib import metadata
from typing import Any

# File names of loaded models, by id: a model does not store its own and has no hash.
_loaded_as: dict[int, str] = {}


def remember(model: Any, name: str) -> None:
    """Note the name of the file that a model was loaded from.

    Args:
        model: A `FENNIX` model; nothing of ours may be stored in it.
        name: The file's name without its ending.
    """
    _loaded_as[id(model)] = name
    weakref.finalize(model, _loaded_as.pop, id(model), None)


def knows(calc: Any) -> bool:
    """Return whether a calculator runs a FeNNol model on a neighbour list of its own.

    Args:
        calc: Any calculator.
    """
    model = getattr(calc, "model", None)
    return hasattr(calc, "gpu_preprocessing") and hasattr(model, "preproc_state")


def describe(calc: Any) -> dict[str, Any]:
    """Return the evidence about a FeNNol calculator's model.

    Args:
        calc: A calculator that `knows` recognises.

    Returns:
        `name`, `library`, `parameters` (a number), `dtype` (of positions and results), `x64` (whether
        JAX computes in 64 bits at all), `precision` (of matrix products), `device`, `compiled`,
        `energy_terms`, `cutoff_angstrom`, `neighbour_list` (where it is built after the first call:
        `device` or `host`) and `capacity_margin` (how much an overflowing list of pairs grows).
    """
    import jax

    model = calc.model
    weights = jax.tree.leaves(model.variables)
    x64 = bool(jax.config.jax_enable_x64)
    # Without x64, JAX silently treats float64 as float32.
    return {
        "name": _loaded_as.get(id(model)) or _architecture(model),
        "library": f"FeNNol {metadata.version('fennol')}, jax {jax.__version__}",
        "parameters": sum(int(array.size) for array in weights),
        "dtype": calc.dtype if x64 else "float32",
        "x64": x64,
        "precision": jax.config.jax_default_matmul_precision or "default",
        "device": ", ".join(sorted(str(device) for device in weights[0].devices())),
        "compiled": hasattr(model._total_energy, "lower"),  # noqa: SLF001 - the only trace of jit=False
        "energy_terms": list(model.energy_terms or ()),
        "cutoff_angstrom": model.cutoff,
        "neighbour_list": "device" if calc.gpu_preprocessing else "host",
        "capacity_margin": float(model.preproc_state["layers_state"][0].get("nblist_mult_size", 1)),
    }


def _architecture(model: Any) -> str:
    """Return the kinds of modules that a model is made of, such as `ANI_AEV + NEURAL_NET`."""
    modules = model.to_dict()["modules"]
    return " + ".join(str(settings.get("module_name", name)) for name, settings in modules.items())
