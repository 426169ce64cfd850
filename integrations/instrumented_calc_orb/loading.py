"""Builds orb-models' own calculator, whichever supported version is installed."""

from __future__ import annotations

import difflib
import inspect
from importlib import import_module
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import ModelError
from instrumented_calc_orb.evidence import loaded_as

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

PRECISIONS = ("float32-high", "float32-highest", "float64")


def OrbCalculator(  # noqa: N802 - stands where a calculator's class usually does
    model: Any = "orb-v2",
    *,
    device: Any = None,
    precision: str | None = None,
    compile: bool | None = None,  # noqa: A002 - orb-models' own name
    weights_path: str | os.PathLike[str] | None = None,
    **calculator_options: Any,
) -> Any:
    """Return orb-models' ASE calculator for a named or loaded model.

    Args:
        model: A name known to orb-models ("orb-v2", "orb-v3-conservative-inf-omat", ...), or the return
            value of one of its loaders.
        device: "cpu", "cuda", "cuda:1", ..., or a `torch.device`; the GPU if there is one by default.
        precision: "float32-high" (the default: TF32 where there is a GPU), "float32-highest" or
            "float64".
        compile: Whether to use torch.compile. orb-models' default is to: the first call then takes
            minutes on a CPU.
        weights_path: File or URL of the weights; they are downloaded by default.
        **calculator_options: Passed on to the calculator: edge_method, max_num_neighbors, ...

    Returns:
        An `ORBCalculator`, energies in eV, forces in eV/A, stress in eV/A^3.

    Raises:
        ModelError: orb-models is not installed, does not know the name, cannot load the weights or lacks the
            device.
    """
    pretrained = orb_models()
    _check_device(device)
    loader_options = {
        "device": device,
        "precision": precision,
        "compile": compile,
        "weights_path": weights_path if weights_path is None else str(weights_path),
    }
    given = {key: value for key, value in loader_options.items() if value is not None}
    named = isinstance(model, str)
    parts = _load(pretrained, model, given) if named else _loaded_already(model, given)
    calculator = _calculator_class()
    asked = inspect.signature(calculator).parameters.keys() - calculator_options.keys()
    if len(parts) == 1 and "atoms_adapter" in asked:
        message = "orb-models 0.6 or later needs the atoms adapter: pass model= the pair its loader returned"
        raise ModelError(message)
    return calculator(*parts, device=device, **calculator_options)


def orb_models() -> Any:
    """Return orb-models' module of pretrained models.

    Raises:
        ModelError: orb-models cannot be imported.
    """
    try:
        return import_module("orb_models.forcefield.pretrained")
    except ModuleNotFoundError as error:
        message = f"orb-models cannot be imported ({error}): pip install 'instrumented-calc[orb]'"
        raise ModelError(message) from error


def _calculator_class() -> Any:
    try:
        module = import_module("orb_models.forcefield.inference.calculator")  # 0.6
    except ModuleNotFoundError:
        module = import_module("orb_models.forcefield.calculator")  # 0.5
    return module.ORBCalculator


def _check_device(device: Any) -> None:
    import torch

    if device is None:
        return
    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        message = f"device={str(device)!r}: torch has no such device ({reason}): use 'cpu' or 'cuda'"
        raise ModelError(message) from error
    if kind == "cuda" and not torch.cuda.is_available():
        message = f"device={str(device)!r}: torch finds no CUDA GPU here: use device='cpu'"
        raise ModelError(message)


def _load(pretrained: Any, name: str, options: dict[str, Any]) -> list[Any]:
    """Return a named model and, from orb-models 0.6 on, its adapter."""
    # The loaders of withdrawn models still exist, without weights.
    known = {
        key: loader
        for key, loader in pretrained.ORB_PRETRAINED_MODELS.items()
        if _default_weights(loader) is not None
    }
    key = name.replace("_", "-").lower()
    if key not in known:
        near = difflib.get_close_matches(key, known, n=3, cutoff=0.4) or sorted(known)
        message = f"orb-models has no model {name!r}: try {', '.join(near)}"
        raise ModelError(message)
    if options.get("precision", PRECISIONS[0]) not in PRECISIONS:
        message = f"precision={options['precision']!r}: use one of {', '.join(PRECISIONS)}"
        raise ModelError(message)
    parts = _parts(_with_weights(known[key], key, options))
    loaded_as[parts[0]] = key
    return parts


def _with_weights(loader: Callable[..., Any], name: str, options: dict[str, Any]) -> Any:
    weights = options.get("weights_path", _default_weights(loader))
    try:
        return loader(**options)
    except OSError as error:
        message = (
            f"{name}: no weights at {weights} ({type(error).__name__}): give weights_path= a file "
            "that was downloaded before, or one that random_weights() made to measure speed"
        )
        raise ModelError(message) from error
    except (EOFError, LookupError, RuntimeError, ValueError, UnpicklingError) as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        message = f"{name} cannot be built with the weights {weights}: {reason}"
        raise ModelError(message) from error


def _default_weights(loader: Callable[..., Any]) -> Any:
    return inspect.signature(loader).parameters["weights_path"].default


def _loaded_already(model: Any, options: dict[str, Any]) -> list[Any]:
    """Return the parts of a model that a loader of orb-models returned earlier."""
    parts = _parts(model)
    if not hasattr(parts[0], "parameters"):
        message = f"model= takes a name or a loaded Orb model, not {type(model).__name__}"
        raise ModelError(message)
    settled = options.keys() - {"device"}
    if settled:
        names = ", ".join(sorted(settled))
        message = f"{names}: already fixed in a loaded model; pass it to the function that loads the model"
        raise ModelError(message)
    return parts


def _parts(loaded: Any) -> list[Any]:
    return list(loaded) if isinstance(loaded, tuple) else [loaded]
