"""Types of workloads: their cases and settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np


@dataclass
class Setting:
    """Settings of a case; the case adds to the times while it computes.

    Attributes:
        mode: `numpy_only`, `torch_mixed` or `torch_full`.
        dtype: `float64`, `float32` or `float16`.
        device: Name of the torch device: `cpu`, `cuda` or `mps`; a `torch.device` is replaced by its name.
        compiled: Whether torch.compile is used (`reduce-overhead`).
        into_ns: Accumulated array-to-tensor conversion time in ns; the case adds to it.
        compute_ns: Accumulated computation time without conversions in ns; the case adds to it.
        out_ns: Accumulated tensor-to-array conversion time in ns; the case adds to it.
    """

    mode: str
    dtype: str = "float64"
    device: str = "cpu"
    compiled: bool = False
    into_ns: int = 0
    compute_ns: int = 0
    out_ns: int = 0

    def __post_init__(self) -> None:
        """Store the device's name."""
        self.device = str(self.device)

    @property
    def tag(self) -> str:
        """Key of dtype, device and engine."""
        return f"{self.dtype} {self.device} {'compiled' if self.compiled else 'eager'}"


class CaseLike(Protocol):
    """One input. For its optional attributes see `Case`."""

    @property
    def file(self) -> str:
        """Its name."""
        ...

    @property
    def n_atoms(self) -> int:
        """Particles per frame."""
        ...

    @property
    def build(self) -> Callable[[Setting], Any]:
        """Prepares it for a mode."""
        ...


class WorkloadLike(Protocol):
    """A set of inputs; an integration may have a class of its own for it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def cases(self) -> Sequence[CaseLike]:
        """Its inputs."""
        ...


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        file: Its name.
        n_atoms: Particles per frame.
        build: Given the setting, returns the timed object: a callable without arguments that returns its
            values (an array, a number, or several by name), or a calculator, whose results are used.
        species: Number of species.
        symbols: Species of each particle of a frame; empty if there are none.
        pairs: Given the built object, after a call, returns the number of neighbour pairs.
        atoms: The atoms for a calculator; None if it has its own.
        properties: Properties to request from it.
    """

    file: str
    n_atoms: int
    build: Callable[[Setting], Any]
    species: int = 1
    symbols: tuple[str, ...] = ()
    pairs: Callable[[Any], int] | None = None
    atoms: Any = None
    properties: tuple[str, ...] = ("energy",)


@dataclass(frozen=True)
class Workload:
    """A set of inputs.

    Attributes:
        name: As a user types it.
        cases: The inputs.
        numpy_dtypes: Dtypes supported by `numpy_only`.
        torch_dtypes: Dtypes supported by the torch modes.
    """

    name: str
    cases: tuple[Case, ...]
    numpy_dtypes: tuple[str, ...] = ("float64", "float32", "float16")
    torch_dtypes: tuple[str, ...] = ("float64", "float32", "float16")


def as_arrays(computed: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return the values of a case as arrays by name, including tensors from any device.

    Args:
        computed: An array, a number, a tensor, a sequence of them, or a mapping of names to any of these.
    """
    named = dict(computed) if isinstance(computed, dict) else {"value": computed}
    return {str(name): _array(value) for name, value in named.items()}


def _array(value: Any) -> np.ndarray[Any, Any]:
    import numpy  # noqa: PLC0415, ICN001 - after the pins; the name of types only is np

    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value
        return numpy.asarray(value.numpy())
    if isinstance(value, (list, tuple)):
        return numpy.stack([_array(each) for each in value])
    return numpy.asarray(value)
