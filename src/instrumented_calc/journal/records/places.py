"""Where in the code a run spends its time."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from instrumented_calc.journal.records.values import Natural, Squares, meta


class CodeLine(Struct, omit_defaults=True):
    """A function of a library, or a line of the user's code."""

    function: Annotated[str, meta("Name of the function; qualified on Python 3.11 and later")]
    package: Annotated[str, meta("Library it belongs to; empty: the user's own code")] = ""
    file: Annotated[str, meta("Source file of user code")] = ""
    line: Annotated[Natural, meta("Line that ran")] = 0


class SampledStack(Struct, omit_defaults=True):
    """Samples with one stack in one part of the run."""

    part: Annotated[
        str,
        meta(
            "`calculator`, `driver` (integrator or optimizer), `observers`, `recorder`, `between` (calls, not"
            " seen where) or `other`"
        ),
    ]
    samples: Annotated[Natural, meta("Samples", "1")]
    ns: Annotated[Natural, meta("Wall time that they stand for: an estimate", "ns")]
    component: Annotated[
        str,
        meta(
            "Timed component that was open in the calculator; empty: none, so the rest of the call;"
            " `*not seen*`: the call ended before its stack could be read"
        ),
    ] = ""
    stack: Annotated[
        list[Natural],
        meta(
            "Numbers of `lines`, innermost first; of consecutive functions of a library only the first and"
            " last. Empty: not seen, or summed beyond the limit"
        ),
    ] = []
    inside: Annotated[Natural, meta("How many of them, from the first, belong to the part or component")] = 0


class Places(Struct, tag="places", tag_field="event"):
    """Samples of the stacks of the calculating threads so far, at random intervals of 0.1 s in the mean.

    Cumulative: the last record has all samples. The shares are estimates. Pieces of a step shorter than
    0.3 ms, on a busy machine 5 ms, may not be seen, or be charged to what follows them in the same call.
    """

    time_ns: Annotated[Natural, meta("When", "ns")]
    samples: Annotated[Natural, meta("Samples", "1", "cumulative")]
    ns: Annotated[Natural, meta("Wall time that they stand for", "ns", "cumulative")]
    squares_ns2: Annotated[Squares, meta("Sum of the squared times of single samples", "ns^2", "cumulative")]
    lines: Annotated[list[CodeLine], meta("Places in the code")]
    stacks: Annotated[list[SampledStack], meta("Their stacks, those with the most time first")]


class ObserverTime(Struct, omit_defaults=True):
    """One observer of a driver, such as an attached function, a logger or a trajectory writer."""

    observer: Annotated[str, meta("Its name; `*other*`: summed beyond the limit")]
    calls: Annotated[Natural, meta("Calls", "1", "cumulative")]
    ns: Annotated[Natural, meta("Time in it, without calculations and other observers", "ns", "cumulative")]
    package: Annotated[str, meta("Library it belongs to; empty: the user's own code")] = ""
    file: Annotated[str, meta("Source file of user code")] = ""
    line: Annotated[Natural, meta("First line of the function")] = 0


class Observers(Struct, tag="observers", tag_field="event"):
    """The observers of the run's drivers so far, measured in the loop in which ASE calls them.

    Cumulative: the last record has all. Exact, from the step on at which the driver was found.
    """

    time_ns: Annotated[Natural, meta("When", "ns")]
    drivers: Annotated[
        Natural, meta("Drivers whose observers are all measured; others call theirs in another way", "1")
    ]
    observers: Annotated[list[ObserverTime], meta("Those with the most time first")]


class ProfiledFunction(Struct, omit_defaults=True):
    """One function in one part of the profiled steps."""

    part: Annotated[str, meta("`calculator`, `recorder`, or `other`: between calls")]
    calls: Annotated[Natural, meta("Calls; a generator counts each time it continues", "1", "cumulative")]
    ns: Annotated[
        Natural,
        meta("Time in it without the functions that it calls, an estimate", "ns", "cumulative"),
    ]
    function: Annotated[
        str, meta("Name of the function; empty: summed beyond the limit, or callers too far out")
    ] = ""
    package: Annotated[str, meta("Library it belongs to; empty: the user's own code")] = ""
    file: Annotated[str, meta("Source file of user code")] = ""
    line: Annotated[Natural, meta("First line of the function")] = 0


class StepProfiles(Struct, tag="step_profiles", tag_field="event"):
    """Functions in the profiled steps so far; a step is from the end of one call to the end of the next.

    Cumulative: the last record has all. Calls are exact. What the interpreter needs to call the profiler was
    measured on this machine and subtracted from the times. If their sum is still more than `usual_ns`, they
    are too long by the difference.
    """

    time_ns: Annotated[Natural, meta("When", "ns")]
    steps: Annotated[Natural, meta("Profiled steps", "1", "cumulative")]
    usual_ns: Annotated[
        Natural, meta("Duration of the steps just before them, without the profiler", "ns", "cumulative")
    ]
    profiler_ns: Annotated[
        Natural, meta("Time in the profiler, in no function's time: an estimate", "ns", "cumulative")
    ]
    functions: Annotated[list[ProfiledFunction], meta("Those with the most time first")]
    skipped: Annotated[
        dict[str, Natural], meta("Steps that were due, but not profiled, by reason", "1", "cumulative")
    ] = {}
