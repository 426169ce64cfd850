"""cProfile result of one mode: functions, their calls and times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hotspot:
    """One function, over all profiled evaluations.

    Attributes:
        function: Its name.
        file: End of its file's path; empty for built-in functions.
        line: First line of the function; 0 for built-in functions.
        calls: Number of calls.
        own_s: Time in the function itself, s.
        cumulative_s: Time in the function and its callees, s.
        own_share: `own_s` over the time of the profiled evaluations.
    """

    function: str
    file: str
    line: int
    calls: int
    own_s: float
    cumulative_s: float
    own_share: float


@dataclass(frozen=True, slots=True)
class ProfiledMode:
    """A mode under cProfile, run in a separate process that is not timed.

    Attributes:
        file: Name of the input.
        mode: The mode.
        tag: dtype, device and whether it was compiled.
        evaluations: Number of profiled evaluations.
        functions: The functions with the largest own time, largest first.
    """

    file: str
    mode: str
    tag: str
    evaluations: int
    functions: tuple[Hotspot, ...]
