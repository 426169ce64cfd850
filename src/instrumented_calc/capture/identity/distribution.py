"""The distribution, with its version, that a calculator's class was installed from.

`importlib.metadata.packages_distributions` reads the file lists of all distributions, which takes a second.
Here one folder is listed, and only the metadata of distributions that may contain the module is read.
"""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

SEPARATORS = re.compile(r"[-_.]+")
# Modules without a distribution of their own.
WITHOUT = frozenset({"__main__", *sys.stdlib_module_names})


def library_of(calculator: Any) -> str | None:
    """Return the distribution of a calculator's class and its version: `mace-torch 0.3.16`.

    For a class of the user's own, it is the distribution of the nearest base class that is not ASE's.

    Args:
        calculator: Any calculator.
    """
    for cls in type(calculator).__mro__:
        module = cls.__module__
        top = module.partition(".")[0]
        if top in WITHOUT or (top == "ase" and cls is not type(calculator)):
            continue
        found = _library(module)
        if found is not None:
            return found
    return None


@cache
def _library(name: str) -> str | None:
    top = name.partition(".")[0]
    module = sys.modules.get(name)
    file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
    if not isinstance(file, str):
        return None
    found = _installed_in(_folder_of(Path(file), name), top) or _editable(top)
    if found is not None:
        return f"{found.metadata['Name']} {found.version}"
    package = sys.modules.get(top)
    version = vars(package).get("__version__") if isinstance(package, ModuleType) else None
    return f"{top} {version}" if isinstance(version, str) else None


def _folder_of(file: Path, module: str) -> Path:
    """Return the folder that a module's top-level package is in."""
    depth = module.count(".") + (file.name.partition(".")[0] == "__init__")
    return file.parents[min(depth, len(file.parents) - 1)]


def _installed_in(folder: Path, top: str) -> metadata.Distribution | None:
    key = _normal(top)
    names = {path: _normal(path.name.partition("-")[0]) for path in folder.glob("*.dist-info")}
    # The one of the same name first, then those with a longer one: mace in mace_torch.
    for path in sorted(names, key=lambda each: (names[each] != key, key not in names[each])):
        if _contains(path, top, named_alike=key in names[path]):
            return metadata.Distribution.at(path)
    return None


def _contains(path: Path, top: str, *, named_alike: bool) -> bool:
    try:
        return top in (path / "top_level.txt").read_text(encoding="utf-8").split()
    except OSError:
        if not named_alike:
            return False
    try:
        files = (path / "RECORD").read_text(encoding="utf-8")
    except OSError:
        return False
    return re.search(rf"^{re.escape(top)}[/.]", files, re.MULTILINE) is not None


def _editable(top: str) -> metadata.Distribution | None:
    """Return a distribution of the module's name that is installed as a link to its sources."""
    try:
        found = metadata.distribution(top)
        source = json.loads(found.read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return None
    return found if source.get("dir_info", {}).get("editable") else None


def _normal(name: str) -> str:
    return SEPARATORS.sub("_", name).lower()
