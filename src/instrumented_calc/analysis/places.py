"""Where in the code the time is spent: shares of functions and lines, estimated from sampled stacks.

How much of the wall time each component, the rest of the calculator and everything outside take is known
exactly from the rows. The samples tell how this time divides among the places inside: a stratified estimate,
whose sums are those of the breakdown. Samples whose place was not seen belong to none: those that were seen,
because they let other threads run, would otherwise get the time of those that never are.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from instrumented_calc.journal.vocabulary import (
    BETWEEN,
    CALCULATOR,
    OBSERVERS,
    OUTSIDE,
    RECORDER,
    UNSEEN,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from instrumented_calc.analysis.timing.time_shares import Breakdown
    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import CodeLine, Places, SampledStack

NORMAL_95 = 1.96  # quantile of the normal distribution: 95 % lie within
REST = "*rest*"  # of the calculator
ONLY_CALLS = 0.95  # part of a function's time in one other function of the user's: it does nothing itself
# Strata of the parts of a breakdown by their kind; each component is one of its own.
_BREAKDOWN_STRATA = {"calculator": REST, "observers": OBSERVERS, "outside": OUTSIDE, "profiler": RECORDER}


@dataclass(frozen=True, slots=True)
class ShareEstimate:
    """A share of the wall time.

    Attributes:
        samples: Samples of it.
        share: The share.
        low: Lower end of its 95 % confidence interval; the share itself if that is known exactly.
        high: The upper end.
    """

    samples: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PlaceDetail:
    """A line of a place in the user's code, or an innermost function of a place in a library.

    Attributes:
        function: Name of the function.
        package: Its library; empty for the user's code.
        line: Line of the place's file; 0 for libraries.
        estimate: Its share.
    """

    function: str
    package: str
    line: int
    estimate: ShareEstimate


@dataclass(frozen=True, slots=True)
class SampledPlace:
    """A function of the user, or of a library together with the user's function that calls it.

    Attributes:
        function: Name of the function; empty for stacks that were not seen or are beyond the limit.
        package: Its library; empty for the user's own code.
        caller: The user's function that called the library, if it is in the same part of the run; for a
            timed component, in the calculator.
        file: File of the user's code; empty if there is none in this part of the run.
        line: The line there with the most time.
        estimate: Its share.
        details: What the share consists of, largest first.
    """

    function: str
    package: str
    caller: str
    file: str
    line: int
    estimate: ShareEstimate
    details: tuple[PlaceDetail, ...]


@dataclass(frozen=True, slots=True)
class PartPlaces:
    """The places of one part of the run.

    Attributes:
        part: As in the record: `calculator`, `driver`, `observers`, ...
        component: Timed component in the calculator; empty: the rest of it.
        estimate: Its share, exact if the rows tell it.
        places: Its places, largest first.
    """

    part: str
    component: str
    estimate: ShareEstimate
    places: tuple[SampledPlace, ...]


@dataclass(frozen=True, slots=True)
class OwnFunction:
    """A function of the user's, with everything that it calls.

    Attributes:
        function: Its name.
        file: File of the user's code.
        line: The line there that was seen most often.
        estimate: Its share.
    """

    function: str
    file: str
    line: int
    estimate: ShareEstimate


@dataclass(frozen=True, slots=True)
class PlaceTotals:
    """All sampled stacks of a run.

    Attributes:
        samples: Number of samples.
        unseen: How many of them show no place: it had ended before the stack could be read.
        parts: Parts of the run, largest first.
        own: The user's functions that call several things, with all of these, largest first. Neither those
            that are called first, such as `calculate`, nor those that only call another one.
    """

    samples: int
    unseen: int
    parts: tuple[PartPlaces, ...]
    own: tuple[OwnFunction, ...] = ()


def newest_places(journal: Journal) -> Places | None:
    """Return the last record of sampled stacks, which has all samples, or None if there is none."""
    return max(journal.places, key=lambda each: (each.samples, each.time_ns), default=None)


def measure_places(journal: Journal, breakdown: Breakdown | None) -> PlaceTotals | None:
    """Sum the sampled stacks of a run by part, component and place; None without samples.

    Args:
        journal: The journal.
        breakdown: Its wall time, divided.
    """
    found = newest_places(journal)
    if (
        found is None
        or not (found.samples and found.ns and found.squares_ns2)
        or breakdown is None
        or not breakdown.wall_ns
    ):
        return None
    seen = [stack for stack in found.stacks if stack.component != UNSEEN and stack.part != BETWEEN]
    strata = Strata(seen, found, breakdown)
    by_part: dict[tuple[str, str], list[SampledStack]] = defaultdict(list)
    for stack in seen:
        by_part[stack.part, stack.component].append(stack)
    parts = [
        PartPlaces(part, component, strata.estimate_of_part(stacks), _places(stacks, found.lines, strata))
        for (part, component), stacks in by_part.items()
    ]
    unseen = found.samples - sum(stack.samples for stack in seen)
    ranked = tuple(sorted(parts, key=lambda each: -each.estimate.share))
    return PlaceTotals(found.samples, max(unseen, 0), ranked, _own_functions(seen, found.lines, strata))


def _own_functions(
    stacks: list[SampledStack], lines: list[CodeLine], strata: Strata
) -> tuple[OwnFunction, ...]:
    """Return the user's functions inside the calculator and the observers, each with all that it calls."""
    within: dict[tuple[str, str], list[SampledStack]] = defaultdict(list)
    seen_at: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    only_call: dict[tuple[str, str], Counter[tuple[str, str] | None]] = defaultdict(Counter)
    for stack in stacks:
        if stack.part not in {CALCULATOR, OBSERVERS}:
            continue
        inside, around = _inside_and_around(stack, lines)
        called = None
        own = [line for line in (*inside, *around) if not line.package]
        for line in own[:-1]:  # the last one is called first: all of it is the part itself
            name = line.function, line.file
            if within[name] and within[name][-1] is stack:
                continue  # recursive
            within[name].append(stack)
            seen_at[name][line.line] += stack.ns
            only_call[name][called] += stack.ns
            called = name
    found = [
        OwnFunction(*name, seen_at[name].most_common(1)[0][0], strata.estimate_of_several(within[name]))
        for name, calls in only_call.items()
        if max((ns for callee, ns in calls.items() if callee), default=0) < ONLY_CALLS * sum(calls.values())
    ]
    return tuple(sorted(found, key=lambda each: -each.estimate.share))


class Strata:
    """Parts of the wall time whose shares are known, and the samples of each.

    Args:
        stacks: The stacks with a place.
        record: Their record.
        breakdown: The wall time of the run, divided.
    """

    def __init__(self, stacks: list[SampledStack], record: Places, breakdown: Breakdown) -> None:
        self._observers_known = any(part.kind == OBSERVERS for part in breakdown.parts)
        self._times: Counter[str] = Counter()
        for part in breakdown.parts:
            self._times[_BREAKDOWN_STRATA.get(part.kind, part.name)] += part.wall_ns
        if not self._observers_known:
            self._times[OUTSIDE] += self._times.pop(OBSERVERS, 0)
        self._wall = breakdown.wall_ns
        # Samples differ in weight: so many equal ones for each would scatter as much.
        self._equal_samples = min(record.ns**2 / record.squares_ns2 / record.samples, 1.0)
        self._ns: Counter[str] = Counter()
        self._samples: Counter[str] = Counter()
        self._seen = {inside: _seen_share(record, inside=inside) for inside in (True, False)}
        for stack in stacks:
            self._ns[self._of(stack)] += stack.ns
            self._samples[self._of(stack)] += stack.samples

    def _of(self, stack: SampledStack) -> str:
        if stack.part == CALCULATOR:
            return stack.component if stack.component in self._times else REST
        if stack.part == RECORDER or (stack.part == OBSERVERS and self._observers_known):
            return stack.part
        return OUTSIDE

    def estimate(self, stacks: Iterable[SampledStack]) -> ShareEstimate:
        """Return the share of some places of one stratum."""
        stacks = [*stacks]
        found, seen = self._estimate(stacks), self._seen[stacks[0].part == CALCULATOR]
        return ShareEstimate(found.samples, seen * found.share, seen * found.low, seen * found.high)

    def _estimate(self, stacks: list[SampledStack]) -> ShareEstimate:
        """Return the share of some stacks of one stratum, if the stacks that were not seen are like them."""
        stratum = self._of(stacks[0])
        samples = sum(stack.samples for stack in stacks)
        inside = sum(stack.ns for stack in stacks) / max(self._ns[stratum], 1)
        known = self._times[stratum] / self._wall
        low, high = wilson_interval(min(inside, 1.0), self._equal_samples * max(self._samples[stratum], 1))
        return ShareEstimate(samples, known * inside, known * low, known * high)

    def estimate_of_several(self, stacks: list[SampledStack]) -> ShareEstimate:
        """Return the share of stacks of several strata: the sum of those of each, and of their limits."""
        by_stratum: dict[str, list[SampledStack]] = defaultdict(list)
        for stack in stacks:
            by_stratum[self._of(stack)].append(stack)
        found = [self.estimate(some) for some in by_stratum.values()]
        return ShareEstimate(
            sum(each.samples for each in found),
            sum(each.share for each in found),
            sum(each.low for each in found),
            sum(each.high for each in found),
        )

    def estimate_of_part(self, stacks: list[SampledStack]) -> ShareEstimate:
        """Return the share of all stacks of a part: exact if it is a stratum of its own."""
        found = self._estimate(stacks)
        if found.samples < self._samples[self._of(stacks[0])]:
            return found
        return ShareEstimate(found.samples, found.share, found.share, found.share)


def _seen_share(record: Places, *, inside: bool) -> float:
    """Return the share of the time of the samples inside the calculator, or outside, whose place was seen."""
    ours = [each for each in record.stacks if (each.part == CALCULATOR) is inside and each.part != RECORDER]
    unseen = sum(each.ns for each in ours if each.component == UNSEEN or each.part == BETWEEN)
    total = sum(each.ns for each in ours)
    return 1 - unseen / total if total else 1.0


def _places(stacks: list[SampledStack], lines: list[CodeLine], strata: Strata) -> tuple[SampledPlace, ...]:
    grouped: dict[tuple[str, str, str, str], list[tuple[SampledStack, CodeSpot]]] = defaultdict(list)
    for stack in stacks:
        spot = _spot(*_inside_and_around(stack, lines))
        grouped[spot.function, spot.package, spot.caller, spot.file].append((stack, spot))
    places = [_place(members, strata) for members in grouped.values()]
    return tuple(sorted(places, key=lambda each: -each.estimate.share))


def _inside_and_around(stack: SampledStack, lines: list[CodeLine]) -> tuple[list[CodeLine], list[CodeLine]]:
    """Return the places of a stack inside its part or timed component, innermost first.

    And for a component those of the calculator around it: up to the first of ASE, which calls calculators.
    """
    known = [lines[number] for number in stack.stack]
    around = takewhile(lambda line: line.package != "ase", known[stack.inside :])
    return known[: stack.inside], [*around] if stack.component else []


def _place(members: list[tuple[SampledStack, CodeSpot]], strata: Strata) -> SampledPlace:
    by_detail: dict[tuple[str, str, int], list[SampledStack]] = defaultdict(list)
    by_line: Counter[int] = Counter()
    for stack, spot in members:
        by_detail[spot.detail].append(stack)
        by_line[spot.line] += stack.ns
    details = [PlaceDetail(*detail, strata.estimate(stacks)) for detail, stacks in by_detail.items()]
    spot = members[0][1]
    return SampledPlace(
        spot.function,
        spot.package,
        spot.caller,
        spot.file,
        line=by_line.most_common(1)[0][0],
        estimate=strata.estimate(stack for stack, _ in members),
        details=tuple(sorted(details, key=lambda each: -each.estimate.share)),
    )


class CodeSpot(NamedTuple):
    """What a stack shows: a function of the user, or of a library with the user's line that calls it."""

    function: str = ""
    package: str = ""
    caller: str = ""
    file: str = ""
    line: int = 0
    detail: tuple[str, str, int] = ("", "", 0)


def _spot(lines: list[CodeLine], around: list[CodeLine]) -> CodeSpot:
    """Return what a stack's places show.

    Args:
        lines: Those inside the part or the component, innermost first.
        around: Those that call the component.
    """
    if not lines:
        return CodeSpot()
    leaf = lines[0]
    if not leaf.package:
        return CodeSpot(leaf.function, "", "", leaf.file, leaf.line, (leaf.function, "", leaf.line))
    detail = leaf.function, leaf.package, 0
    depth = next((depth for depth, line in enumerate(lines) if not line.package), None)
    if depth is None:
        outer = next((line for line in around if not line.package), None)
        if outer is None:
            return CodeSpot(lines[-1].function, lines[-1].package, detail=detail)
        return CodeSpot(
            lines[-1].function, lines[-1].package, outer.function, outer.file, outer.line, detail=detail
        )
    called, caller = lines[depth - 1], lines[depth]
    return CodeSpot(called.function, called.package, caller.function, caller.file, caller.line, detail)


def wilson_interval(share: float, samples: float) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share (Wilson 1927), which is never empty or outside 0 to 1.

    Args:
        share: The observed share.
        samples: Number of samples.
    """
    squared = NORMAL_95**2 / samples
    middle = (share + squared / 2) / (1 + squared)
    half = NORMAL_95 / (1 + squared) * math.sqrt(share * (1 - share) / samples + squared / (4 * samples))
    return max(middle - half, 0.0), min(middle + half, 1.0)
