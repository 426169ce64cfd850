"""Calculators inside a calculator, as of a sum or QM/MM: each is a part, and names the parts inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from instrumented_calc.capture.attribute_lookup import (
    ABSENT,
    dictionary_of,
    found_on,
    has_ordinary_access,
    is_plain_function,
)
from instrumented_calc.capture.open_calls import active
from instrumented_calc.capture.parts.stand_ins import StandIn
from instrumented_calc.integration import Part

SEPARATOR = " / "
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
    """Run a term's `calculate`, and put the term's name before those of the parts inside it."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, timed inside recorded calls."""
        stack = active.stack
        if not stack:
            return self._real(*args, **kwargs)
        outer = stack[-1]
        call = outer.call or outer
        around, call.components = call.components, UNSET
        try:
            return super().__call__(*args, **kwargs)
        finally:
            times: dict[str, int] = {} if around is UNSET else around
            for name, time in call.components.items():
                full = name if name == self.name else f"{self.name}{SEPARATOR}{name}"
                times[full] = times.get(full, 0) + time
            call.components = times


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
