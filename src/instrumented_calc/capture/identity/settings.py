"""The settings of a calculator (ASE's `parameters`), as far as they are plain values, and its weights."""

from __future__ import annotations

import hashlib
import math
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.attribute_lookup import stored
from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.masking import mask_values
from instrumented_calc.journal.mounts import on_network_file_system

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_SETTINGS = 50
MOST_ITEMS = 20
LONGEST_TEXT = 200  # characters
DEEPEST = 3
# Names of files and folders: they differ between runs of the same calculator.
PLACES = frozenset({"atoms", "directory", "label", "outfile", "prefix", "restart", "txt"})
HEAD_BYTES = 1_000_000
LONGEST_PATH = 4096
WEIGHTS = frozenset(
    {".ckpt", ".fnx", ".jit", ".json", ".model", ".nequip", ".npz", ".pb", ".pkl", ".pt", ".pt2", ".pth"}
    | {".safetensors", ".xml", ".yaml", ".yml"}
)


def settings_of(calculator: Any) -> dict[str, Any]:
    """Return the plain values among a calculator's `parameters`, with secrets masked.

    Args:
        calculator: The bare calculator. Values of other types, and names of files and folders, are left out.
    """
    parameters = stored(calculator, "parameters")
    if not issubclass(type(parameters), dict):
        return {}
    found: dict[str, Any] = {}
    for name, value in [*dict.items(parameters)][:MOST_SETTINGS]:
        plain = _plain(value, DEEPEST)
        if type(name) is str and name not in PLACES and plain is not None:
            found[name[:LONGEST_TEXT]] = plain
    masked: dict[str, Any] = mask_values(found, numbers=True)
    return masked


def _plain(value: Any, depth: int) -> Any:
    """Return a value as JSON has it, shortened; None for anything else."""
    kind = type(value)
    if kind in (bool, int) or (kind is float and math.isfinite(value)):
        return value if abs(value) < 2**63 else None
    if kind is str:
        return value[:LONGEST_TEXT]
    if depth and kind in (list, tuple):
        return [_plain(each, depth - 1) for each in value[:MOST_ITEMS]]
    if depth and kind is dict:
        return {
            str(key)[:LONGEST_TEXT]: _plain(value[key], depth - 1)
            for key in [*value][:MOST_ITEMS]
            if type(key) in (str, int)
        }
    return None


def weights_of(held: Sequence[tuple[str, Any]]) -> dict[str, str]:
    """Return the name and the hash of the file that a calculator's weights come from.

    Args:
        held: Names and values of what the calculator holds, except inside torch modules.

    Returns:
        `weights_file` (the name without its folder) and `weights_sha256` (of the first megabyte); empty if
        no stored text is the path of an existing file of weights, or if it is on a network file system.
    """
    for _, value in held:
        path = _path(value)
        if path is None or path.suffix.lower() not in WEIGHTS:
            continue
        try:
            if on_network_file_system(path.parent) or not stat.S_ISREG(path.stat().st_mode):
                continue
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
        except (OSError, ValueError) as error:
            if is_foreign(error):
                raise
            continue
        return {"weights_file": path.name, "weights_sha256": hashlib.sha256(head).hexdigest()}
    return {}


def _path(value: Any) -> Path | None:
    if type(value) is str:
        return Path(value) if 0 < len(value) < LONGEST_PATH and "\n" not in value else None
    return value if issubclass(type(value), Path) else None
