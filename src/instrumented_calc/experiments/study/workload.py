"""What is measured, and how a mode is told what to do: workloads, their cases, settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np


@dataclass
class Setting:
    """How a case is to be computed; the case adds to the times while it computes.

    Attributes:
        mode: `numpy_only`, `torch_mixed` or `torch_full`.
        dtype: `float64`, `float32` or `float16`.
        device: Name of the torch device: `cpu`, `cuda` or `mps`; a `torch.device` is replaced by its name.
        compiled: Whether torch.compile is to be used (`reduce-overhead`).
        into_ns: Time in which arrays became tensors, ns, to be added to.
        compute_ns: Time in which was computed, without conversions, ns, to be added to.
        out_ns: Time in which tensors became arrays, ns, to be added to.
    """

    mode: str
    dtype: str = "float64"
    device: str = "cpu"
    compiled: bool = False
    into_ns: int = 0
    compute_ns: int = 0
    out_ns: int = 0

    def __post_init__(self) -> None:
        """Keep the device's name."""
        self.device = str(self.device)

    @property
    def tag(self) -> str:
        """How torch is used, in three words."""
        return f"{self.dtype} {self.device} {'compiled' if self.compiled else 'eager'}"


class CaseLike(Protocol):
    """One input. What it has besides, and why: see `Case`."""

    @property
    def file(self) -> str:
        """Its name."""
        ...

    @property
    def n_atoms(self) -> int:
        """Particles of a frame."""
        ...

    @property
    def build(self) -> Callable[[Setting], Any]:
        """What makes it ready in a mode."""
        ...


class WorkloadLike(Protocol):
    """Some inputs; an integration has a class of its own for it."""

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
        build: Given the setting, returns what is timed: a callable without arguments that returns what it
            computed (an array, a number, or several by name), or a calculator, whose results are taken.
        species: Number of species.
        symbols: Species of each particle of a frame; empty where there are none.
        pairs: Given what was built, after a call, returns the number of neighbour pairs.
        atoms: What a calculator is to compute; None for one that knows it.
        properties: Properties that it is asked for.
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
    """Some inputs.

    Attributes:
        name: As a user types it.
        cases: The inputs.
        numpy_dtypes: What `numpy_only` can compute in.
        torch_dtypes: What the torch modes can.
    """

    name: str
    cases: tuple[Case, ...]
    numpy_dtypes: tuple[str, ...] = ("float64", "float32", "float16")
    torch_dtypes: tuple[str, ...] = ("float64", "float32", "float16")


def as_arrays(computed: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return what a case computed as arrays by name, tensors from any device among it.

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
