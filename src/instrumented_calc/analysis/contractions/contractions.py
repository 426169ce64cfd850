"""The contractions of a run: operands, counts, times and possible savings.

Calls are counted exactly. Time is exact if every call was timed; if calls were sampled, time is estimated as
number x mean, with the standard error of a random sample.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.contractions.flops import Arithmetic, arithmetic
from instrumented_calc.analysis.contractions.jax_modules import ModuleWork, join_modules

if TYPE_CHECKING:
    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import Contraction as Counted
    from instrumented_calc.journal.records import Operands


@dataclass(frozen=True, slots=True)
class Signature:
    """Calls of a contraction with the same operands.

    Attributes:
        operands: `dtype[shape]` of each operand.
        calls: Number of calls; estimated from a sample unless `exact`.
        exact: Whether every call was inspected.
        ns: Host time of these calls, ns; None if it was not measured.
        arithmetic: Arithmetic of one call, or None if unknown.
        line: Module and line of the first inspected call, or its place in a JAX program; empty if unknown.
    """

    operands: tuple[str, ...]
    calls: float
    exact: bool
    ns: float | None
    arithmetic: Arithmetic | None
    line: str = ""

    @property
    def gflops(self) -> float | None:
        """Arithmetic speed, 10^9 operations per second."""
        if self.arithmetic is None or not self.ns:
            return None
        return self.arithmetic.flops * self.calls / self.ns


@dataclass(frozen=True, slots=True)
class ContractionUse:
    """One equation in one component.

    Attributes:
        equation: As given.
        einsum: Einsum of a JAX program that this is a step or a derivative of; empty: none.
        library: numpy, torch or jax.
        component: Calling component; empty: none.
        optimize: Whether `optimize` was passed to numpy.
        calls: Exact number of calls.
        ns: Host time of these calls, ns; None if it was not measured.
        error_ns: Standard error of that time, ns; 0 if every call was timed.
        share: Share of the calculator's time; None if either time is unknown.
        signatures: Calls grouped by operands, longest first.
    """

    equation: str
    library: str
    component: str
    optimize: bool
    einsum: str
    calls: int
    ns: float | None
    error_ns: float
    share: float | None
    signatures: tuple[Signature, ...]

    @property
    def exact(self) -> bool:
        """Whether every call was timed."""
        return self.error_ns == 0

    @property
    def ceiling(self) -> float | None:
        """Speedup limit of the calculator if this took no time (Amdahl 1967)."""
        if self.share is None:
            return None
        return 1 / (1 - self.share) if self.share < 1 else math.inf

    @property
    def flops(self) -> float | None:
        """Operations of all calls; None if unknown for some."""
        known = [each.arithmetic for each in self.signatures]
        if None in known or not known:
            return None
        return sum(each.arithmetic.flops * each.calls for each in self.signatures if each.arithmetic)

    @property
    def macs(self) -> float | None:
        """Multiply-accumulates of all calls; None if unknown for some."""
        if self.flops is None:
            return None
        return sum(each.arithmetic.macs * each.calls for each in self.signatures if each.arithmetic)

    @property
    def gflops(self) -> float | None:
        """Arithmetic speed, 10^9 operations per second."""
        return None if self.flops is None or not self.ns else self.flops / self.ns


@dataclass(frozen=True, slots=True)
class ContractionTotals:
    """All contractions of a run.

    Attributes:
        rows: One entry per equation and component, longest first.
        calculated_ns: Time of the outermost calls covered by the counts; shares are relative to it.
        steps: Steps completed in that time; None if there were none.
        modules: Modules of a JAX model; programs have no times, so these come from trace windows.
    """

    rows: tuple[ContractionUse, ...]
    calculated_ns: int
    steps: int | None = None
    modules: tuple[ModuleWork, ...] = ()

    @property
    def calls(self) -> int:
        """Total number of contractions."""
        return sum(each.calls for each in self.rows)

    @property
    def share(self) -> float | None:
        """Share of the calculator's time in contractions of known time."""
        known = [each.share for each in self.rows if each.share is not None]
        return sum(known) if known else None


@dataclass(slots=True)
class _UseSums:
    """Records of one equation in one component.

    `every` and `some` map operands to [calls, ns, squares]: of calls that were all inspected, and of
    samples. `timed` and `timed_ns` are of calls that were timed but not inspected.
    """

    calls: int = 0
    timed: int = 0
    timed_ns: int = 0
    every: dict[tuple[str, ...], list[float]] = field(default_factory=dict)
    some: dict[tuple[str, ...], list[float]] = field(default_factory=dict)
    lines: dict[tuple[str, ...], str] = field(default_factory=dict)
    untimed: bool = False

    def add(self, counted: Counted) -> None:
        self.calls += counted.calls
        self.timed += counted.timed
        self.timed_ns += counted.ns
        for each in counted.operands:
            self._add_operands(each, counted.scope)

    def _add_operands(self, seen: Operands, scope: str) -> None:
        key = tuple(seen.operands)
        known = (self.some if seen.sampled else self.every).setdefault(key, [0, 0, 0])
        known[0] += seen.seen
        if isinstance(seen.ns, int):
            known[1] += seen.ns
            known[2] += seen.squares_ns2 if isinstance(seen.squares_ns2, float) else 0.0
        else:
            self.untimed = True
        self.lines.setdefault(key, seen.line or scope)


def measure_contractions(journal: Journal, steps: int | None = None) -> ContractionTotals | None:
    """Return the contractions of a run, or None if none was recorded.

    Args:
        journal: The run's journal.
        steps: Completed steps of the run, if it has any.
    """
    if not journal.contractions:
        return None
    sums: dict[tuple[Any, ...], _UseSums] = defaultdict(_UseSums)
    for record in journal.contractions:
        for each in record.contractions:
            sums[each.equation, each.library, each.component, each.optimize, each.einsum].add(each)
    calculated = calculated_ns(journal, journal.contractions[-1].time_ns)
    rows = [_row(key, each, calculated) for key, each in sums.items()]
    rows.sort(key=lambda row: (-(row.ns or 0), -row.calls, row.equation))
    return ContractionTotals(tuple(rows), calculated, steps, join_modules(journal))


def calculated_ns(journal: Journal, until: int) -> int:
    """Return the time of the outermost calls that had ended at the last count.

    Args:
        journal: The run's journal.
        until: Time of the last count, in ns on the run's clock.
    """
    calls = journal.calls
    counted = ~(calls.nested | calls.sliced) & (calls.start_ns + calls.wall_ns <= until)
    rows = int(calls.wall_ns.sum(where=counted, dtype="int64"))
    return rows + sum(each.wall_ns for each in journal.slices if each.end_ns <= until)


def _row(key: tuple[Any, ...], sums: _UseSums, calculated: int) -> ContractionUse:
    equation, library, component, optimize, einsum = key
    mean, error = _sampled_time(sums)
    ns: float | None = None
    if not sums.untimed:
        ns = sums.timed_ns + sum(each[1] for each in (*sums.every.values(), *sums.some.values()))
        ns += mean * _unseen(sums)
    signatures = _signatures(equation, sums)
    return ContractionUse(
        equation=equation,
        library=library,
        component=component,
        optimize=optimize,
        einsum=einsum,
        calls=sums.calls,
        ns=ns,
        error_ns=error,
        share=ns / calculated if ns is not None and calculated else None,
        signatures=tuple(sorted(signatures, key=lambda each: (-(each.ns or 0), -each.calls))),
    )


def _unseen(sums: _UseSums) -> int:
    """Return the number of calls that were neither timed nor inspected."""
    looked_at = sum(each[0] for each in (*sums.every.values(), *sums.some.values()))
    return max(sums.calls - sums.timed - int(looked_at), 0)


def _sampled_time(sums: _UseSums) -> tuple[float, float]:
    """Return the mean of the sampled calls, and the standard error of the total time, ns.

    The inspected calls are a simple random sample without replacement: Cochran, Sampling Techniques (1977),
    equation 2.20 for a total.
    """
    unseen = _unseen(sums)
    looks, ns, squares = (sum(each[place] for each in sums.some.values()) for place in range(3))
    if not unseen or not looks:
        return 0.0, 0.0 if not unseen else math.inf
    mean = ns / looks
    if looks < 2:  # noqa: PLR2004 - one has no spread
        return mean, math.inf
    variance = max(squares - looks * mean * mean, 0.0) / (looks - 1)
    return mean, math.sqrt((looks + unseen) * unseen * variance / looks)


def _signatures(equation: str, sums: _UseSums) -> list[Signature]:
    """Split by operands: exactly if all calls were inspected, otherwise in proportion to the sample."""
    looks = sum(each[0] for each in sums.some.values())
    stand_for = _unseen(sums) + sums.timed + looks
    look_ns = sum(each[1] for each in sums.some.values())
    # Calls timed without inspection divide their own time; untimed ones get the mean of the sample.
    known_ns = look_ns + sums.timed_ns + (look_ns / looks * _unseen(sums) if looks else 0.0)
    found = []
    for operands in dict.fromkeys((*sums.every, *sums.some)):
        calls, ns, _ = sums.every.get(operands, (0, 0, 0))
        some = sums.some.get(operands)
        share_of_calls = some[0] / looks if some and looks else 0.0
        share_of_ns = some[1] / look_ns if some and look_ns else share_of_calls
        exact = stand_for == looks
        found.append(
            Signature(
                operands=operands,
                calls=int(calls) + int(some[0] if some else 0)
                if exact
                else calls + stand_for * share_of_calls,
                exact=exact,
                ns=None if sums.untimed else ns + known_ns * share_of_ns,
                arithmetic=arithmetic(equation, operands),
                line=sums.lines[operands],
            )
        )
    return found
