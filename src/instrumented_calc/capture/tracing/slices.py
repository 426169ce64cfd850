"""Interface of tracers: slices of time, and the ranges that assign them to components.

A tracer of another library only has to implement this: see `Tracer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

# A range of this name is a call; one with a suffix is that component of the call.
RANGE = "ic::"


class TracedSlice(NamedTuple):
    """One operation that ran, or one range.

    Attributes:
        start_ns: Start, on any clock in ns that all slices of one call share.
        end_ns: End.
        name: Name: aten::addmm, a kernel's name, or RANGE and a component's name.
        track: Place: a host thread, or a stream of the device. Slices of one track nest.
        shapes: Shapes of its operands, [2,3] [3,4]; empty if unknown.
        on_device: Whether it ran on the device and its time is the device's.
        link: For a slice on the device: the number of the host slice that launched it. For a host slice: its
            own number, if it may be referred to. 0: none.
    """

    start_ns: int
    end_ns: int
    name: str
    track: int
    shapes: str = ""
    on_device: bool = False
    link: int = 0


class Tracer(Protocol):
    """Traces the operations of one library, one call at a time.

    It is created when its library is loaded and the first window is due, in the calculating thread. An
    exception ends all tracing of the run with one notice; the calculation continues.

    Attributes:
        name: Its name in the journal: torch.profiler, jax.profiler.
    """

    name: str

    def is_taken(self) -> bool:
        """Return whether another profiler is running, which must not be disturbed."""
        ...

    def annotate(self, name: str) -> AbstractContextManager[object]:
        """Return a range of this name, to be entered while a call is traced."""
        ...

    def start(self) -> None:
        """Start tracing the calling thread and the work it launches."""
        ...

    def stop(self) -> list[TracedSlice]:
        """Stop tracing, keep nothing, and return the slices, in any order.

        The ranges made by `annotate` are among the slices, by their names. Called after each successful
        start, also when the call failed.
        """
        ...
