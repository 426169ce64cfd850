"""Finds the torch modules and calculators inside a calculator, without running any of its code.

The search goes through attributes, lists, dictionaries, plain objects, bound methods and closures. Modules
that torch.compile or TorchScript has compiled are found as a whole: nothing inside them may be touched.
"""

from __future__ import annotations

import functools
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.attribute_lookup import dictionary_of
from instrumented_calc.capture.parts.compiled_code import COMPILED_MODULE
from instrumented_calc.capture.parts.terms import Term, is_recorded, is_term, terms
from instrumented_calc.integration import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_OBJECTS = 5000  # that are visited
MOST_MODULES = 400
MOST_MEMBERS = 200  # of one list or dictionary
LONGEST_KEY = 100  # characters
ORIGINAL = "_torchdynamo_orig_callable"  # where torch.compile leaves the function that it compiles
ENTRY_OF_COMPILED = "_compiled_call_impl"  # where `module.compile()` leaves the compiled forward
REPLICATING = ("DataParallel", "DistributedDataParallel")  # they copy modules, or hook into their calls
PLAIN = (str, bytes, int, float, complex, type, ModuleType, BuiltinFunctionType, type(None))
# Packages whose objects hold no modules. Those of torch are searched only if they are modules.
EMPTY = frozenset({"_thread", "io", "jax", "jaxlib", "logging", "numpy", "pathlib", "threading", "torch"})


@dataclass
class Found:
    """What a calculator uses.

    Attributes:
        parts: Modules that may be timed, by their path from the calculator.
        terms: Calculators inside the calculator.
        reasons: Why the inside of others is not timed.
    """

    parts: list[Part] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def find_inside(calculator: Any) -> Found:
    """Return the torch modules and calculators inside a calculator; torch is not imported for it.

    Args:
        calculator: Any calculator.
    """
    return _Search(sys.modules.get("torch")).run(calculator)


class _NoModule:
    """In place of torch's classes while torch is not loaded."""


class _Search:
    def __init__(self, torch: Any) -> None:
        self._module: type = getattr(getattr(torch, "nn", None), "Module", _NoModule)
        self._script: type = getattr(getattr(torch, "jit", None), "ScriptModule", _NoModule)
        self._without_forward = vars(self._module).get("forward")
        self._compiled_classes: dict[type, bool] = {}

    def run(self, calculator: Any) -> Found:
        found = Found()
        modules: list[tuple[str, Any]] = []
        calculators: list[tuple[str, Any]] = []
        sealed: set[int] = set()  # modules inside compiled code
        for path, value in self._reach(calculator):
            inside = self._compiled_inside(value)
            if inside is not None:
                reason = f"{path or 'the calculator'} is compiled by torch.compile"
                found.reasons.append(reason)
                sealed |= {id(each) for _, each in self._reach(inside) if each is not value}
            if self._is_module(value):
                modules.append((path, value))
            elif value is not calculator and is_term(value) and not is_recorded(value):
                calculators.append((path, value))
        found.terms = terms(calculators)
        paths = {path for path, _ in modules}
        for path, module in modules:
            part = None if id(module) in sealed else self._part(path, module)
            if part is not None and _is_generated(path, module, paths):
                continue
            if part is not None and len(found.parts) < MOST_MODULES:
                found.parts.append(part)
        return found

    def _is_module(self, value: Any) -> bool:
        return issubclass(type(value), self._module)

    def _part(self, path: str, module: Any) -> Part | None:
        """Return the part of a module; None if its forward is never called, as that of a list of modules."""
        if vars(module).get(ENTRY_OF_COMPILED) is not None:
            return Part(path, module, ENTRY_OF_COMPILED)
        if "forward" not in vars(module) and getattr(type(module), "forward", None) is self._without_forward:
            return None
        return Part(path, module, "forward")

    def _compiled_inside(self, value: Any) -> Any:
        """Return what is compiled, if the value is something that torch.compile has compiled."""
        if type(value) is FunctionType:
            return vars(value).get(ORIGINAL)
        if self._is_module(value):
            own = vars(value)
            forward = own.get("forward")
            if own.get(ENTRY_OF_COMPILED) is not None or type(value).__name__ == COMPILED_MODULE:
                return value
            if hasattr(forward, ORIGINAL) or self._has_compiled_method(type(value)):
                return value
        elif dictionary_of(value) is not None and self._has_compiled_method(type(value)):
            return value
        return None

    def _has_compiled_method(self, kind: type) -> bool:
        """Return whether a method of a class is decorated with torch.compile."""
        known = self._compiled_classes.get(kind)
        if known is None:
            self._compiled_classes[kind] = known = any(
                type(each) is FunctionType and ORIGINAL in vars(each)
                for base in kind.__mro__
                if _package_of(base) not in ("builtins", "torch", "ase")
                for each in vars(base).values()
            )
        return known

    def _reach(self, start: Any) -> Iterator[tuple[str, Any]]:
        """Yield the objects within reach with their paths, the nearest first."""
        seen: set[int] = set()
        waiting: deque[tuple[str, Any]] = deque([("", start)])
        while waiting and len(seen) < MOST_OBJECTS:
            path, value = waiting.popleft()
            if id(value) in seen:
                continue
            seen.add(id(value))
            yield path, value
            for name, member in self._members(value):
                if not issubclass(type(member), PLAIN):  # isinstance() may run code of the member
                    waiting.append((f"{path}.{name}" if path and name else path or name, member))

    def _members(self, value: Any) -> Iterator[tuple[str, Any]]:
        kind = type(value)
        if issubclass(kind, (list, tuple)):
            yield from ((str(i), each) for i, each in enumerate(_iterated(kind, value)))
        elif issubclass(kind, dict):
            members = enumerate([*dict.items(value)][:MOST_MEMBERS])
            yield from ((_word(key, number), each) for number, (key, each) in members)
        elif kind is FunctionType:
            yield from self._captured(value)
        elif kind is MethodType:
            yield "", value.__self__
            yield "", value.__func__
        elif kind is functools.partial:
            yield from (("", each) for each in (value.func, *value.args, *value.keywords.values()))
        elif self._is_module(value):
            yield from self._inside_module(value)
        elif _package_of(kind) not in EMPTY and not _is_atoms(kind) and not is_recorded(value):
            yield from [*(dictionary_of(value) or {}).items()]

    def _inside_module(self, module: Any) -> Iterator[tuple[str, Any]]:
        if issubclass(type(module), self._script) or type(module).__name__ in REPLICATING:
            return
        own = vars(module)
        yield from [*(own.get("_modules") or {}).items()]
        for name, value in [*own.items()]:
            if not name.startswith("_"):
                yield name, value

    @staticmethod
    def _captured(function: FunctionType) -> Iterator[tuple[str, Any]]:
        for cell in function.__closure__ or ():
            with suppress(ValueError):  # not assigned yet
                yield "", cell.cell_contents
        original = vars(function).get(ORIGINAL)
        if original is not None:
            yield "", original


def _iterated(kind: type, value: Any) -> Any:
    base = list if issubclass(kind, list) else tuple
    return base.__getitem__(value, slice(MOST_MEMBERS))


def _word(key: Any, number: int) -> str:
    """Return what a path has for a key of a dictionary: its number, if the key is no short text."""
    return key if type(key) is str and len(key) <= LONGEST_KEY else str(key if type(key) is int else number)


def _is_atoms(kind: type) -> bool:
    return any(base.__name__ == "Atoms" and base.__module__ == "ase.atoms" for base in kind.__mro__)


def _package_of(kind: type) -> str:
    module = kind.__module__
    return module.partition(".")[0] if isinstance(module, str) else ""


def _is_generated(path: str, module: Any, paths: set[str]) -> bool:
    """Return whether a module is code that a library generates inside a module, as e3nn does."""
    around, _, name = path.rpartition(".")
    return name.startswith("_") and around in paths and not vars(module).get("_modules")
