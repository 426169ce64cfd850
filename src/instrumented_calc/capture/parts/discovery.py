"""Finds the torch modules and calculators inside a calculator, without running any of its code.

Modules that torch.compile or TorchScript has compiled are found as a whole: nothing inside them may be
touched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import FunctionType
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.attribute_lookup import dictionary_of
from instrumented_calc.capture.parts.compiled_code import COMPILED_MODULE
from instrumented_calc.capture.parts.holdings import COMPILED_FROM, TorchKinds, holdings, package_of
from instrumented_calc.capture.parts.terms import Term, is_recorded, is_term, terms
from instrumented_calc.integration import Part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from instrumented_calc.capture.parts.holdings import Held

MOST_MODULES = 400
REPLAYED = "replayed as a CUDA graph"
# Beginnings of the names of classes, and modules of functions, with nothing inside that runs in Python.
CLOSED_CLASSES = {
    "AOTICompiledModel": "compiled by AOTInductor",
    "AOTIModel": "compiled by AOTInductor",
    "CUDAGraph": REPLAYED,
    "ScriptFunction": "compiled by TorchScript",
}
CLOSED_FUNCTIONS = {
    "torch._export": "compiled by AOTInductor",
    "torch.cuda.graphs": REPLAYED,
}
ENTRY_OF_COMPILED = "_compiled_call_impl"  # where `module.compile()` leaves the compiled forward


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


def find_inside(held: Iterable[Held]) -> Found:
    """Return the torch modules and calculators inside a calculator; torch is not imported for it.

    Args:
        held: All that it holds, itself included.
    """
    return _Search().run([*held])


class _Search:
    def __init__(self) -> None:
        self._kinds = kinds = TorchKinds()
        self._without_forward = vars(kinds.module).get("forward")
        self._compiled_classes: dict[int, bool] = {}  # by identity: a metaclass may make classes unhashable

    def run(self, held: list[Held]) -> Found:
        found = Found()
        modules: list[tuple[str, Any]] = []
        calculators: list[tuple[str, Any]] = []
        compiled: dict[str, list[str]] = {}  # paths by what is the matter with them
        sealed: set[int] = set()  # modules inside code compiled by torch.compile
        for path, value, _ in held:
            inside = self._compiled_inside(value)
            how = self._closed(value) if inside is None else "compiled by torch.compile"
            if how and not _name(path).startswith("_"):  # else code that a library generates
                compiled.setdefault(how, []).append(path or "the calculator")
            if inside is not None:
                sealed |= {id(each) for _, each, _ in holdings(inside) if each is not value}
            if self._kinds.is_module(value):
                modules.append((path, value))
            elif path and is_term(value) and not is_recorded(value):
                calculators.append((path, value))
        found.reasons = [_reason(paths, how) for how, paths in compiled.items()]
        found.terms = terms(calculators)
        around = dict(modules)
        for path, module in modules:
            part = None if id(module) in sealed else self._part(path, module)
            if part is None or _is_detail(path, module, around.get(path.rpartition(".")[0])):
                continue
            if len(found.parts) < MOST_MODULES:
                found.parts.append(part)
        return found

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
            return vars(value).get(COMPILED_FROM)
        if self._kinds.is_module(value):
            own = vars(value)
            forward = own.get("forward")
            if own.get(ENTRY_OF_COMPILED) is not None or type(value).__name__ == COMPILED_MODULE:
                return value
            if hasattr(forward, COMPILED_FROM) or self._has_compiled_method(type(value)):
                return value
        elif dictionary_of(value) is not None and self._has_compiled_method(type(value)):
            return value
        return None

    def _closed(self, value: Any) -> str:
        """Return how a value was made so that nothing inside it can be timed, or an empty text."""
        kind = type(value)
        if issubclass(kind, self._kinds.script):
            return "compiled by TorchScript"
        if kind is FunctionType:
            return CLOSED_FUNCTIONS.get(value.__module__, "")
        return next((how for name, how in CLOSED_CLASSES.items() if kind.__name__.startswith(name)), "")

    def _has_compiled_method(self, kind: type) -> bool:
        """Return whether a method of a class is decorated with torch.compile."""
        known = self._compiled_classes.get(id(kind))
        if known is None:
            self._compiled_classes[id(kind)] = known = any(
                type(each) is FunctionType and COMPILED_FROM in vars(each)
                for base in kind.__mro__
                if package_of(base) not in ("builtins", "torch", "ase")
                for each in vars(base).values()
            )
        return known


def _is_detail(path: str, module: Any, parent: Any) -> bool:
    """Return whether a module is part of the one around it: generated code, or a layer in a sequence.

    e3nn generates code into modules. A sequence of torch's own layers without names, as Linear and SiLU, is
    one part.
    """
    name = _name(path)
    if parent is None:
        return False
    if name.isdigit() and type(parent).__name__ == "Sequential":
        return package_of(type(module)) == "torch"
    return name.startswith("_") and not vars(module).get("_modules")


def _name(path: str) -> str:
    return path.rpartition(".")[2]


def _reason(paths: list[str], how: str) -> str:
    more = f" and {len(paths) - 1} more" if paths[1:] else ""
    return f"{paths[0]}{more} {'are' if more else 'is'} {how}"
