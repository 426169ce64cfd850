"""MACE on the command line: `mace:FILE`, `mace:random`."""

from __future__ import annotations

import tempfile
from glob import glob
from pathlib import Path
from typing import Any

from instrumented_calc.errors import ModelError
from instrumented_calc_mace.evidence import loaded_from
from instrumented_calc_mace.weights import mace_calculator, random_model

NAME, FILE, RANDOM = "mace", "FILE", "random"
FORMS = (f"{NAME}:{FILE}", f"{NAME}:{RANDOM}")


def build(spec: str) -> Any | None:
    """Return the MACE calculator of a spec, or None if the spec belongs to another library.

    Args:
        spec: `mace:FILE` with a model's file, or a pattern such as `mace:fit_*.model` for a committee; or
            `mace:random` for a small model with seeded random weights. It runs on the GPU if there is one,
            in the model's dtype, not compiled.

    Raises:
        ModelError: mace-torch is not installed, the file does not exist, or it does not contain a MACE model.
    """
    name, _, source = spec.partition(":")
    if name != NAME:
        return None
    if source == RANDOM:
        with tempfile.TemporaryDirectory() as folder:
            return _loaded([str(random_model(Path(folder) / "random.model"))])
    path = Path(source).expanduser()
    found = [path] if path.is_file() else map(Path, glob(str(path)))  # noqa: PTH207 - may be absolute
    paths = sorted(str(each) for each in found if each.is_file())
    if not paths:
        message = (
            f"{spec!r}: no such model file: give mace:FILE, such as one that mace_mp() has downloaded to "
            "~/.cache/mace, or mace:random"
        )
        raise ModelError(message)
    return _loaded(paths)


def _loaded(paths: list[str]) -> Any:
    mace = mace_calculator()
    import torch

    try:
        calc = mace(model_paths=paths, device="cuda" if torch.cuda.is_available() else "cpu")
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        message = f"mace:{', '.join(paths)}: no MACE model can be loaded from it: {reason}"
        raise ModelError(message) from error
    for model, path in zip(calc.models, paths, strict=True):
        loaded_from[model] = path
    return calc
