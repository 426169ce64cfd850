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
        self._compiled_classes: dict[type, bool] = {}

    def run(self, held: list[Held]) -> Found:
        found = Found()
        modules: list[tuple[str, Any]] = []
        calculators: list[tuple[str, Any]] = []
        sealed: set[int] = set()  # modules inside compiled code
        for path, value, _ in held:
            inside = self._compiled_inside(value)
            if inside is not None:
                reason = f"{path or 'the calculator'} is compiled by torch.compile"
                found.reasons.append(reason)
                sealed |= {id(each) for _, each, _ in holdings(inside) if each is not value}
            if self._kinds.is_module(value):
                modules.append((path, value))
            elif path and is_term(value) and not is_recorded(value):
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

    def _has_compiled_method(self, kind: type) -> bool:
        """Return whether a method of a class is decorated with torch.compile."""
        known = self._compiled_classes.get(kind)
        if known is None:
            self._compiled_classes[kind] = known = any(
                type(each) is FunctionType and COMPILED_FROM in vars(each)
                for base in kind.__mro__
                if package_of(base) not in ("builtins", "torch", "ase")
                for each in vars(base).values()
            )
        return known


def _is_generated(path: str, module: Any, paths: set[str]) -> bool:
    """Return whether a module is code that a library generates inside a module, as e3nn does."""
    around, _, name = path.rpartition(".")
    return name.startswith("_") and around in paths and not vars(module).get("_modules")
