"""What a tracer hands over: slices of time, and the ranges that tell which component they belong to.

This is all that a tracer of another library has to speak: see `Tracer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

# A range of this name is a call, one with something behind it is that component of the call.
RANGE = "ic::"


class Slice(NamedTuple):
    """One operation that ran, or one range.

    Attributes:
        start_ns: When it began, on any clock in ns that all slices of one call share.
        end_ns: When it ended.
        name: What ran: aten::addmm, a kernel's name, or RANGE and a component's name.
        track: Where it ran: a host thread, or a stream of the device. Slices of one track nest.
        shapes: Shapes of its operands, [2,3] [3,4]; empty: not known.
        on_device: Whether it ran on the device and its time is the device's.
        link: Of a slice on the device: the number of the host slice that launched it. Of a host slice:
            its own number, if anything may refer to it. 0: none.
    """

    start_ns: int
    end_ns: int
    name: str
    track: int
    shapes: str = ""
    on_device: bool = False
    link: int = 0


class Tracer(Protocol):
    """Traces what one library runs during one call, and again during the next.

    It is made when its library is loaded and the first window is due, in the thread that calculates. What it
    raises ends all tracing of the run with one notice; the calculation goes on.

    Attributes:
        name: What it is called in the journal: torch.profiler, jax.profiler.
    """

    name: str

    def is_taken(self) -> bool:
        """Tell whether somebody else's profiler is running, which must not be disturbed."""
        ...

    def annotate(self, name: str) -> AbstractContextManager[object]:
        """Return a range of this name, to be entered while a call is traced."""
        ...

    def start(self) -> None:
        """Begin to trace the calling thread and what it launches."""
        ...

    def stop(self) -> list[Slice]:
        """End it, keep nothing, and return what ran, in any order.

        The ranges that `annotate` made are among the slices, by their names. Called after each start that
        succeeded, also when the call failed.
        """
        ...
