"""Wraps every calculator that a program assigns to an `Atoms`, for scripts that must not be edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.wrapping.twin import is_calculator, twin_of

if TYPE_CHECKING:
    from collections.abc import Callable


def wrap_assigned(wrap: Callable[[Any], Any], is_wrapped: Callable[[Any], bool]) -> Callable[[], None]:
    """Replace the setter of `Atoms.calc` by one that wraps.

    A calculator that was assigned before keeps its wrapper. Calculators that only store results
    (SinglePointCalculator) never calculate and stay as they are.

    Args:
        wrap: Wraps one calculator.
        is_wrapped: Returns whether a calculator is already wrapped.

    Returns:
        A function that restores the original setter.
    """
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    original: Any = Atoms.calc

    def only_stores_results(calc: Any) -> bool:
        # Not isinstance(): ABCMeta fails for a class whose metaclass has no hash.
        return any(cls is SinglePointCalculator for cls in type(calc).__mro__)

    def assign(atoms: Any, calc: Any) -> None:
        if (
            calc is not None
            and is_calculator(calc)
            and not only_stores_results(calc)
            and not is_wrapped(calc)
        ):
            known = twin_of(calc)
            calc = wrap(calc) if known is None else known
        original.fset(atoms, calc)

    wrapping = property(original.fget, assign, original.fdel, original.__doc__)
    type.__setattr__(Atoms, "calc", wrapping)

    def undo() -> None:
        type.__setattr__(Atoms, "calc", original)

    return undo
