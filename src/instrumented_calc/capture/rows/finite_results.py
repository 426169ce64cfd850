"""Check the results of a call for finiteness, without waiting for a device."""

from __future__ import annotations

import sys
from typing import Any

from msgspec import UNSET

from instrumented_calc.capture.attribute_lookup import stored
from instrumented_calc.foreign import is_foreign

# numpy's types of real numbers. numpy itself is not loaded for this.
NUMBERS = frozenset({"float64", "float32", "float16", "longdouble"})


class HostNumbers:
    """Turns an energy into a float, if it is a real number that the host already has.

    Attributes:
        numpy_floats: The numpy types that were met so far and that `float` takes as they are.
    """

    def __init__(self) -> None:
        self.numpy_floats: set[type] = set()

    def __call__(self, value: Any) -> Any:
        """Return a float; UNSET for other values: tensors, text, complex or too large numbers."""
        kind = type(value)
        if kind.__module__ == "numpy" and kind.__name__ in NUMBERS:
            self.numpy_floats.add(kind)
            return float(value)
        if kind is int:
            try:
                return float(value)
            except OverflowError as error:  # an integer of hundreds of digits
                if is_foreign(error):
                    raise
                return UNSET
        if _is_array(value) and value.size == 1 and value.dtype.kind in "fiu":
            return float(value.item())
        return UNSET


def array_is_finite(values: Any) -> bool:
    """Return whether all of an array is finite; only float arrays on the host are checked."""
    if not _is_array(values) or values.dtype.kind not in "fc":
        return True
    return bool(sys.modules["numpy"].isfinite(values).all())


def positions_of(atoms: Any) -> Any:
    """Return the positions of ASE atoms, or None for anything else."""
    arrays = stored(atoms, "arrays")
    return arrays.get("positions") if type(arrays) is dict else None


def _is_array(value: Any) -> bool:
    """Return whether a value is numpy's own array: subclasses (masked, with units) may differ."""
    return type(value) is getattr(sys.modules.get("numpy"), "ndarray", None)
