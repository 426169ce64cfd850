"""The values that a case computed, as arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def as_arrays(computed: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return the values of a case as arrays by name, including tensors from any device.

    Args:
        computed: An array, a number, a tensor, a sequence of them, or a mapping of names to any of these.
    """
    named = dict(computed) if isinstance(computed, dict) else {"value": computed}
    return {str(name): _array(value) for name, value in named.items()}


def _array(value: Any) -> np.ndarray[Any, Any]:
    import numpy  # noqa: ICN001 - np is the name for types only

    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
        return numpy.asarray(value.numpy())
    if isinstance(value, (list, tuple)):
        return numpy.stack([_array(each) for each in value])
    return numpy.asarray(value)
