"""Names given by users: near matches for misspelt ones, and objects given as `package.module:name`."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module, util
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return `did you mean NAME?` for the nearest known name; empty if none is near.

    Args:
        name: The name as the user gave it.
        known: All valid names; capitals do not count.
        cutoff: The least similarity, from 0 to 1, as difflib measures it.
    """
    by_small = {each.lower(): each for each in known}
    near = get_close_matches(name.lower(), [*by_small], n=1, cutoff=cutoff)
    return f"did you mean {by_small[near[0]]}?" if near else ""


def is_module(spec: str) -> bool:
    """Return whether a spec names a Python file or a module, with or without `:name`.

    A single word is a module only in the working directory: any word may be a library somewhere.
    """
    place, colon, name = spec.rpartition(":")
    if not colon:
        place, name = spec, "any"
    if place.endswith(".py"):
        return bool(name)
    if not all(part.isidentifier() for part in place.split(".")):
        return False
    if colon or "." in place:
        return bool(name)
    here = Path(place)
    try:
        return place.isidentifier() and (
            here.with_suffix(".py").is_file() or (here / "__init__.py").is_file()
        )
    except OSError:  # the name is longer than file names may be
        return False


def import_object(spec: str) -> Any:
    """Import `package.module:name`, `path/file.py:name`, or either without the name.

    The working directory is searched as well. Without a name, it is the only function, class or object
    that the module defines itself.

    Raises:
        LookupError: The module has no such name, or several that may be meant.
        Exception: Whatever the import raises.
    """
    place, colon, name = spec.rpartition(":")
    module = _import(place if colon else spec)
    if not colon:
        return _only_object(spec, module) if type(module) is type(sys) else module
    try:
        return attrgetter(name)(module)
    except AttributeError:
        own = _own_names(module)
        hint = did_you_mean(name, own) or f"it has {', '.join(own) or 'none'}"
        message = f"{place} has no {name!r}; {hint}"
        raise LookupError(message) from None


def _import(place: str) -> Any:
    """Import a file or a module; `package.module.name` may also be an object in a module."""
    if place.endswith(".py"):
        return _import_file(Path(place))
    _search(Path.cwd())
    try:
        return import_module(place)
    except ModuleNotFoundError as error:
        parent, dot, name = place.rpartition(".")
        if not dot or error.name != place:
            raise
        return getattr(import_module(parent), name)


def _import_file(path: Path) -> Any:
    if not path.is_file():
        message = f"{path}: no such file"
        raise FileNotFoundError(message)
    path = path.resolve()
    _search(path.parent)
    loaded = sys.modules.get(path.stem)
    if getattr(loaded, "__file__", None) == str(path):
        return loaded
    found: Any = util.spec_from_file_location(path.stem, path)
    module = util.module_from_spec(found)
    sys.modules.setdefault(path.stem, module)  # not in place of a library of this name
    found.loader.exec_module(module)
    return module


def _search(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _own_names(module: Any) -> list[str]:
    """Return the public functions, classes and objects that a module defines itself."""
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and type(value) is not type(sys)
        and (getattr(value, "__module__", None) == module.__name__ or hasattr(value, "get_property"))
        and not (isinstance(value, type) and value.__module__ != module.__name__)
    ]


def _only_object(spec: str, module: Any) -> Any:
    names = _own_names(module)
    if len(names) == 1:
        return getattr(module, names[0])
    choice = f"name one of {', '.join(names)}: {spec}:{names[0]}" if names else "it defines nothing"
    message = f"which object of {spec}? {choice}"
    raise LookupError(message)
