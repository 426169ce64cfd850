"""Builds FeNNol's own calculator from a model's file."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from instrumented_calc.errors import ModelError
from instrumented_calc_fennol.evidence import remember

PREFIX = "fennol:"
MODELS_DIRECTORY = "FENNOL_MODELS"
NAMED_FILES = {"ani-2x": "ani2x.fnx"}  # FeNNol needs the path of the model
FORMS = (f"{PREFIX}FILE", *NAMED_FILES)


def FeNNolCalculator(model_path: str | os.PathLike[str], **options: Any) -> Any:  # noqa: N802 - acts as a class
    """Return FeNNol's ASE calculator for a model's file.

    Args:
        model_path: File of the model, `.fnx`.
        **options: Passed on to `fennol.ase.FENNIXCalculator`: `gpu_preprocessing`, `use_float64` and
            `matmul_prec` (both set JAX for the whole process), `energy_terms`, `graph_config`, ...

    Returns:
        A `FENNIXCalculator`, energies in eV, forces in eV/A, stress in eV/A^3.

    Raises:
        ModelError: FeNNol is not installed, or the file is missing or is not a model that FeNNol can build.
    """
    path = Path(model_path)
    if not os.path.isfile(path):  # noqa: PTH113 - `Path.is_file` raises for a name that is too long
        message = f"{path}: no such file: give the path of a FeNNol model (.fnx)"
        raise ModelError(message)
    calculator_class = imported("fennol.ase").FENNIXCalculator
    try:
        calculator = calculator_class(str(path), **options)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        message = f"{path} cannot be loaded ({reason}): check the options and that FeNNol's save() wrote it"
        raise ModelError(message) from error
    remember(calculator.model, path.stem)
    return calculator


def build(spec: str) -> Any | None:
    """Return the calculator of `fennol:FILE.fnx` or of a model with a name, None for other specs.

    Args:
        spec: The value of `--calc`. The file of a named model (`ani-2x`) is searched in the directory named
            by the environment variable FENNOL_MODELS, then in the working directory.

    Raises:
        ModelError: The spec belongs to FeNNol, but the model cannot be built.
    """
    if spec.startswith(PREFIX):
        return FeNNolCalculator(spec.removeprefix(PREFIX))
    if spec in NAMED_FILES:
        return FeNNolCalculator(_find(spec, NAMED_FILES[spec]))
    return None


def _find(name: str, file: str) -> Path:
    models = os.environ.get(MODELS_DIRECTORY)
    places = [Path(models), Path()] if models else [Path()]
    for place in places:
        if (place / file).is_file():
            return place / file
    message = (
        f"{name}: no {file} in {' or '.join(str(place.absolute()) for place in places)}: put the one of "
        f"FeNNol's examples/md there, or set {MODELS_DIRECTORY} to its directory"
    )
    raise ModelError(message)


def imported(name: str) -> Any:
    """Return a module of FeNNol.

    Args:
        name: Its full name.

    Raises:
        ModelError: It cannot be imported.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        message = f"FeNNol cannot be imported ({error}): pip install 'instrumented-calc[fennol]'"
        raise ModelError(message) from error
