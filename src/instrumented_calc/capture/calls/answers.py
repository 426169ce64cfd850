"""Tells the answer that a calculator lacks a property from a failure."""

from __future__ import annotations

from instrumented_calc.journal.vocabulary import NOT_IMPLEMENTED


def is_answer(failure: BaseException) -> bool:
    """Return whether an exception is ASE's PropertyNotImplementedError, or derived from it.

    A plain NotImplementedError is a failure: ASE does not catch it, and torch raises it for operations that
    a device lacks.
    """
    return any(cls.__name__ == NOT_IMPLEMENTED for cls in type(failure).__mro__)
