"""Calculators inside a calculator, as of a sum or QM/MM: each is a part, and names the parts inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.attribute_lookup import (
    ABSENT,
    dictionary_of,
    found_on,
    has_ordinary_access,
    is_plain_function,
)
from instrumented_calc.capture.open_calls import SEPARATOR, active, call_of
from instrumented_calc.capture.parts.stand_ins import StandIn
from instrumented_calc.integration import Part

if TYPE_CHECKING:
    from collections.abc import Callable

ASKED = ("get_property", "get_potential_energy")  # a calculator has one of these
WRAPPING = "instrumented_calc.capture.wrapping."


@dataclass(frozen=True)
class Term(Part):
    """A calculator inside the recorded one.

    Attributes:
        path: Where it is held.
    """

    path: str = ""


class TermStandIn(StandIn):
    """Run a term's `calculate`; the names of the parts inside it begin with the term's."""

    __slots__ = ()

    def place(self) -> None:
        """Replace `calculate`, never in one step: what is timed is not what was found."""
        super().place()
        self.is_plain = False

    def _timed(self, real: Any) -> Any:
        """Return the term's `calculate`, which also names the parts inside it."""
        return _within(self.name, real)


def _within(term: str, calculate: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs `calculate` as a term of the thread's open call."""

    def run(*args: Any, **kwargs: Any) -> Any:
        stack = active.stack
        if not stack:
            return calculate(*args, **kwargs)
        call = call_of(stack[-1])
        around = call.term
        call.term = f"{around}{SEPARATOR}{term}" if around else term
        try:
            return calculate(*args, **kwargs)
        finally:
            call.term = around

    return run


def is_term(value: Any) -> bool:
    """Return whether an object is a calculator whose calculations can be timed."""
    kind = type(value)
    if not is_plain_function(found_on(kind, "calculate")) or dictionary_of(value) is None:
        return False
    return has_ordinary_access(kind) and any(found_on(kind, name) is not ABSENT for name in ASKED)


def is_recorded(value: Any) -> bool:
    """Return whether an object is a recorded calculator: its calls have rows of their own."""
    return any(str(base.__module__).startswith(WRAPPING) for base in type(value).__mro__)


def terms(found: list[tuple[str, Any]]) -> list[Term]:
    """Return the terms of a calculator, named by their classes.

    Args:
        found: The calculators inside, with their paths.
    """
    numbers: dict[str, int] = {}
    named = []
    for path, value in found:
        kind = type(value).__name__
        numbers[kind] = number = numbers.get(kind, 0) + 1
        name = kind if number == 1 else f"{kind} #{number}"
        named.append(Term(name, value, "calculate", path=path))
    return named
