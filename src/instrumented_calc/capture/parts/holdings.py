"""The objects that a calculator holds, found without running any code of theirs.

The search goes through attributes, lists, dictionaries, plain objects, torch modules, bound methods and
closures.
"""

from __future__ import annotations

import functools
import sys
from collections import deque
from contextlib import suppress
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from instrumented_calc.capture.attribute_lookup import dictionary_of
from instrumented_calc.capture.parts.terms import is_recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_OBJECTS = 10_000
MOST_MEMBERS = 200  # of one list or dictionary
LONGEST_KEY = 100  # characters
COMPILED_FROM = "_torchdynamo_orig_callable"  # where torch.compile leaves the function that it compiles
REPLICATING = ("DataParallel", "DistributedDataParallel")  # they copy modules, or hook into their calls
PLAIN = (str, bytes, int, float, complex, type, ModuleType, BuiltinFunctionType, type(None))
# Packages whose objects hold no modules. Those of torch are entered only if they are modules.
EMPTY = frozenset({"_thread", "io", "jax", "jaxlib", "logging", "numpy", "pathlib", "structlog"})
EMPTY |= {"threading", "torch"}


class Held(NamedTuple):
    """An object that a calculator holds.

    Attributes:
        path: The way to it from the calculator, as names with dots between; empty for the calculator.
        value: The object.
        in_module: Whether it is inside a torch module.
    """

    path: str
    value: Any
    in_module: bool


class _NoModule:
    """In place of torch's classes while torch is not loaded."""


class TorchKinds:
    """The classes of torch that are treated apart; torch is not imported for it."""

    def __init__(self) -> None:
        torch: Any = sys.modules.get("torch")
        self.module: type = getattr(getattr(torch, "nn", None), "Module", _NoModule)
        self.script: type = getattr(getattr(torch, "jit", None), "ScriptModule", _NoModule)

    def is_module(self, value: Any) -> bool:
        """Return whether an object is a torch module; isinstance() may run its code."""
        return issubclass(type(value), self.module)


def holdings(start: Any) -> Iterator[Held]:
    """Yield an object and all that it holds, each once and the nearest first.

    Plain values, as numbers and texts, are yielded wherever they are.
    """
    kinds = TorchKinds()
    seen: set[int] = set()
    waiting = deque([Held("", start, in_module=False)])
    for _ in range(MOST_OBJECTS):
        if not waiting:
            return
        held = waiting.popleft()
        path, value, in_module = held
        if issubclass(type(value), PLAIN):
            yield held
        elif id(value) not in seen:
            seen.add(id(value))
            yield held
            in_module = in_module or kinds.is_module(value)
            for name, member in _members(value, kinds):
                waiting.append(Held(f"{path}.{name}" if path and name else path or name, member, in_module))


def _members(value: Any, kinds: TorchKinds) -> Iterator[tuple[str, Any]]:
    kind = type(value)
    if issubclass(kind, (list, tuple)):
        base = list if issubclass(kind, list) else tuple
        yield from ((str(n), each) for n, each in enumerate(base.__getitem__(value, slice(MOST_MEMBERS))))
    elif issubclass(kind, dict):
        members = enumerate([*dict.items(value)][:MOST_MEMBERS])
        yield from ((_word(key, number), each) for number, (key, each) in members)
    elif kind is FunctionType:
        yield from _captured(value)
    elif kind is MethodType:
        yield "", value.__self__
        yield "", value.__func__
    elif kind is functools.partial:
        yield from (("", each) for each in (value.func, *value.args, *value.keywords.values()))
    elif kinds.is_module(value):
        yield from _inside_module(value, kinds)
    elif kind is SimpleNamespace:
        yield from [*vars(value).items()]
    elif package_of(kind) not in EMPTY and not _is_atoms(kind) and not is_recorded(value):
        yield from [*(dictionary_of(value) or {}).items()]


def _inside_module(module: Any, kinds: TorchKinds) -> Iterator[tuple[str, Any]]:
    if issubclass(type(module), kinds.script) or type(module).__name__ in REPLICATING:
        return
    own = vars(module)
    yield from [*(own.get("_modules") or {}).items()]
    for name, value in [*own.items()]:
        if not name.startswith("_") and not issubclass(type(value), PLAIN):
            yield name, value


def _captured(function: FunctionType) -> Iterator[tuple[str, Any]]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # not assigned yet
            yield "", cell.cell_contents
    original = vars(function).get(COMPILED_FROM)
    if original is not None:
        yield "", original


def _word(key: Any, number: int) -> str:
    """Return what a path has for a key of a dictionary: its number, if the key is not a short text."""
    return key if type(key) is str and len(key) <= LONGEST_KEY else str(key if type(key) is int else number)


def _is_atoms(kind: type) -> bool:
    return any(base.__name__ == "Atoms" and base.__module__ == "ase.atoms" for base in kind.__mro__)


def package_of(kind: type) -> str:
    """Return the name of the package that a class is defined in."""
    module = kind.__module__
    return module.partition(".")[0] if isinstance(module, str) else ""
