"""What happened inside calls: contractions, conversions, traced operations."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Struct, UnsetType

from instrumented_calc.journal.records.values import Natural, Squares, meta


class Operands(Struct, omit_defaults=True):
    """Inspected calls of a contraction, grouped by operand types and shapes."""

    operands: Annotated[list[str], meta("dtype[shape] of each operand, with @device if not on the host")]
    seen: Annotated[Natural, meta("Inspected calls", "1")]
    ns: Annotated[Natural, meta("Host time of these calls", "ns")] | UnsetType = UNSET
    squares_ns2: Annotated[Squares, meta("Sum of their squared times", "ns^2")] | UnsetType = UNSET
    line: Annotated[str, meta("Module and line of the first of these calls")] = ""
    sampled: Annotated[bool, meta("Whether they are a sample that also represents calls not inspected")] = (
        False
    )


class Contraction(Struct, omit_defaults=True):
    """Calls of one contraction in one component since the previous record."""

    equation: Annotated[str, meta("Einsum equation as given; `*other*`: equations beyond the limit")]
    library: Annotated[str, meta("Library: numpy, torch, jax")]
    calls: Annotated[
        Natural, meta("Calls, counted exactly; only those in `operands` and `timed` are timed", "1")
    ]
    component: Annotated[str, meta("Calling component; empty: the calculation itself")] = ""
    optimize: Annotated[bool, meta("Whether `optimize` was requested")] = False
    operands: Annotated[list[Operands], meta("Inspected calls by operands")] = []
    timed: Annotated[Natural, meta("Further calls that were timed but not inspected", "1")] = 0
    ns: Annotated[Natural, meta("Time of the `timed` calls", "ns")] = 0
    squares_ns2: Annotated[Squares, meta("Sum of their squared times", "ns^2")] = 0.0
    scope: Annotated[str, meta("Enclosing modules in a JAX program, e.g. `Model/embedding`")] = ""
    einsum: Annotated[
        str,
        meta("Einsum in a JAX program that this operation is a step or a derivative of"),
    ] = ""
    uncertain: Annotated[
        bool, meta("Inside a loop or branch with an unknown number of runs: counted once")
    ] = False


class Contractions(Struct, tag="contractions", tag_field="event"):
    """Contractions inside calls since the previous record, at most once per second."""

    time_ns: Annotated[Natural, meta("When", "ns")]
    contractions: Annotated[list[Contraction], meta("One entry per equation and component")]


class ProductTime(Struct, omit_defaults=True):
    """One contraction of the run, computed as matrix products."""

    equation: Annotated[str, meta("Einsum equation, as in `contractions`")]
    library: Annotated[str, meta("Library: numpy, torch")]
    operands: Annotated[
        list[str], meta("dtype[shape] of each operand; smaller than in the run if those take too long")
    ]
    ns: Annotated[Natural, meta("Time of one execution, median of several rounds", "ns")]
    rounds: Annotated[Natural, meta("Number of rounds", "1")]
    optimize: Annotated[bool, meta("Whether `optimize` was requested in the run")] = False
    einsum_ns: (
        Annotated[Natural, meta("Time of the einsum itself, in the same way on the same operands", "ns")]
        | UnsetType
    ) = UNSET


class ProductTimes(Struct, tag="product_times", tag_field="event"):
    """How fast this machine computes the longest contractions as matrix products, measured once."""

    time_ns: Annotated[Natural, meta("When", "ns")]
    spent_ns: Annotated[Natural, meta("Time that the measurement took", "ns")]
    products: Annotated[list[ProductTime], meta("One entry per equation and operands")]


class Conversion(Struct, omit_defaults=True):
    """Conversions of one kind in one component since the previous record."""

    kind: Annotated[
        str,
        meta(
            "`numpy to torch`, `torch to numpy`, `cast`, `host to device`, `device to host`,"
            " `device to device` or `sync` (the host waited for a device)"
        ),
    ]
    source: Annotated[str, meta("dtype@device of the source; for `sync`: the array waited for")]
    calls: Annotated[Natural, meta("Calls, counted exactly", "1")]
    ns: Annotated[Natural, meta("Host time of these calls", "ns")]
    target: Annotated[str, meta("dtype@device of the result; empty: a Python number or no result")] = ""
    bytes: Annotated[Natural, meta("Size of the result, including results that share memory", "byte")] = 0
    component: Annotated[str, meta("Calling component; empty: the calculation itself")] = ""


class Conversions(Struct, tag="conversions", tag_field="event", omit_defaults=True):
    """Conversions and copies inside calls since the previous record, at most once per second."""

    time_ns: Annotated[Natural, meta("When", "ns")]
    conversions: Annotated[list[Conversion], meta("One entry per kind, source, target and component")]
    unseen: Annotated[list[str], meta("Functions not counted because torch.compile is in use")] = (
        msgspec.field(default_factory=list)
    )


class TracedOperation(Struct, omit_defaults=True):
    """One kind of operation in a trace window, summed; `*between operations*`: time with none running."""

    operation: Annotated[str, meta("Name given by the tracer: aten::addmm, a kernel name, ...")]
    calls: Annotated[Natural, meta("Number of times it ran in the window", "1")]
    component: Annotated[str, meta("Timed component it ran in; empty: outside all components")] = ""
    shapes: Annotated[str, meta("Shapes of its operands, [2,3] [3,4]; empty: not known")] = ""
    self_ns: Annotated[Natural, meta("Exclusive host time", "ns")] | UnsetType = UNSET
    device_ns: Annotated[Natural, meta("Device time of its kernels", "ns")] | UnsetType = UNSET


class TraceWindow(Struct, tag="trace", tag_field="event"):
    """One trace window: the operations inside a few consecutive calls."""

    window: Annotated[Natural, meta("Number of the window in its run, from 1")]
    tracer: Annotated[str, meta("torch.profiler or jax.profiler")]
    index: Annotated[Natural, meta("First call in the window")]
    calls: Annotated[Natural, meta("Calls in the window", "1")]
    start_ns: Annotated[Natural, meta("Start of its first call", "ns")]
    wall_ns: Annotated[Natural, meta("Sum of its calls' durations", "ns")]
    profiler_ns: Annotated[Natural, meta("Time to start, stop and sum the trace; not part of any call", "ns")]
    operations: Annotated[list[TracedOperation], meta("Sums by component, operation and shapes")]
    left_out: Annotated[Natural, meta("Operations beyond the limit, summed as `*other*`", "1")] = 0
    launches: Annotated[Natural, meta("Kernels and copies that ran on the device", "1")] | UnsetType = UNSET
    device_busy_ns: (
        Annotated[Natural, meta("Time in which at least one of them ran, by the device's clock", "ns")]
        | UnsetType
    ) = UNSET
    file: Annotated[str, meta("Chrome trace file next to the journal")] | UnsetType = UNSET
