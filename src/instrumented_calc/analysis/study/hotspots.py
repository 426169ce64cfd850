"""What cProfile saw of one mode: functions, their calls and times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hotspot:
    """One function, over all profiled evaluations.

    Attributes:
        function: Its name.
        file: The end of its file's path; empty for what is built in.
        line: Where it begins there; 0 for what is built in.
        calls: How often it was called.
        own_s: Time in it alone, s.
        cumulative_s: Time in it and what it called, s.
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
    """A mode under cProfile, in a process that no figure comes from.

    Attributes:
        file: The input.
        mode: How it was computed.
        tag: dtype, device and whether it was compiled.
        evaluations: How many were profiled.
        functions: Those with the most time of their own, most first.
    """

    file: str
    mode: str
    tag: str
    evaluations: int
    functions: tuple[Hotspot, ...]
