"""The wall time as a tree with bars: the calculator with its parts, and what is outside of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from instrumented_calc.journal.vocabulary import CALCULATOR, OBSERVERS, RECORDER
from instrumented_calc.plain_text import plain
from instrumented_calc.quantities import figures, percents, plural, time_unit
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.observers import located_name
from instrumented_calc.reporting.run.places import place_name
from instrumented_calc.reporting.run.source_location import location
from instrumented_calc.reporting.run.time_bar import INSIDE, NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from instrumented_calc.analysis.places import SampledPlace
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.analysis.timing.time_shares import Breakdown, Share

PARTS_SHOWN = 6  # of the calculator
LEAST_SHARE = 0.01
# A function is a row if its share is surely larger than this.
LEAST_PLACE = 0.05
PLACES_SHOWN = 2  # of each part
OBSERVERS_SHOWN = 6
SHORTEST_BAR = 14


class _Branch(NamedTuple):
    depth: int
    name: str
    share: float
    time_ns: int | None = None  # None: the share is an estimate from sampled stacks
    percent: str = ""


def tree_lines(summary: Summary, calculator: str, width: int) -> list[str]:
    """Return the tree, a row on each line; nothing without a wall time.

    Args:
        summary: The run.
        calculator: Its name.
        width: Columns of a line.
    """
    breakdown = summary.breakdown
    if breakdown is None or not breakdown.wall_ns:
        return []
    rows = [*_rows(summary, breakdown, calculator)]
    rows.append(_Branch(0, "all", 1.0, breakdown.wall_ns, "100.0"))
    speed = summary.speed if len(summary.phases) == 1 else None
    times = breakdown.wall_ns / speed.steps if speed else breakdown.wall_ns
    size, unit = time_unit([times])
    size *= speed.steps if speed else 1
    names = [f"{'  ' * each.depth}{each.name}" for each in rows]
    left = min(max(map(len, names)), width - len("  time/step  ~ 100  ") - SHORTEST_BAR)
    lines = [f"{'Where the time goes':<{left}}  {unit + '/step' if speed else unit:>9}  {'%':>5}"]
    for row, name in zip(rows, names, strict=True):
        time = "" if row.time_ns is None else figures(row.time_ns / size)
        bar = "" if row.name == "all" else "#" * round(row.share * (width - left - 20))
        lines.append(f"{_cut(name, left):<{left}}  {time:>9}  {row.percent:>5}  {bar}".rstrip())
    if any(row.time_ns is None for row in rows):
        lines.append("~ estimated from samples of the stack")
    return lines


def _rows(summary: Summary, breakdown: Breakdown, calculator: str) -> Iterator[_Branch]:
    parts = breakdown.parts
    shown = dict(zip(parts, percents([part.wall_ns / breakdown.wall_ns for part in parts]), strict=True))
    inside = [part for part in parts if part.kind in INSIDE]
    if inside:
        yield _summed(0, calculator, inside, breakdown, shown)
        yield from _inside(summary, breakdown, inside, shown)
    for part in parts:
        if part.kind not in INSIDE and (part.wall_ns or part.kind == "outside"):
            yield _row(0, NAMES.get(part.name, part.name), part, breakdown, shown)
            if part.kind == OBSERVERS and summary.observers:
                yield from _observers(summary, breakdown)
            else:
                yield from _places(summary, part, 1)


def _observers(summary: Summary, breakdown: Breakdown) -> Iterator[_Branch]:
    """Yield the observers that take much of the wall time."""
    large = [each for each in summary.observers or () if each.share >= LEAST_SHARE]
    for each in large[:OBSERVERS_SHOWN]:
        time, percent = round(each.share * breakdown.wall_ns), f"{100 * each.share:.1f}"
        yield _Branch(1, located_name(each, summary.journal), each.share, time, percent)


def _inside(
    summary: Summary, breakdown: Breakdown, inside: Sequence[Share], shown: dict[Share, str]
) -> Iterator[_Branch]:
    """Yield the parts of the calculator, or the functions in it if it has no parts."""
    components = [part for part in inside if part.kind == "component"]
    if not components:
        yield from _places(summary, inside[-1], 1)
        return
    large = [part for part in components if part.wall_ns >= LEAST_SHARE * breakdown.wall_ns][:PARTS_SHOWN]
    for part in large:
        yield _row(1, part.name, part, breakdown, shown)
        yield from _places(summary, part, 2)
    if small := [part for part in components if part not in large]:
        yield _summed(1, plural(len(small), "smaller part"), small, breakdown, shown)
    for part in inside:
        if part.kind == "calculator" and part.wall_ns >= LEAST_SHARE * breakdown.wall_ns:
            yield _row(1, part.name.replace(" in the calculator", ""), part, breakdown, shown)
            yield from _places(summary, part, 2)


def _row(depth: int, name: str, part: Share, breakdown: Breakdown, shown: dict[Share, str]) -> _Branch:
    return _Branch(
        depth, identity.one_line(name), part.wall_ns / breakdown.wall_ns, part.wall_ns, shown[part]
    )


def _summed(
    depth: int, name: str, parts: Sequence[Share], breakdown: Breakdown, shown: dict[Share, str]
) -> _Branch:
    time = sum(part.wall_ns for part in parts)
    percent = sum(float(shown[part]) for part in parts)
    return _Branch(depth, identity.one_line(name), time / breakdown.wall_ns, time, f"{percent:.1f}")


def _places(summary: Summary, part: Share, depth: int) -> Iterator[_Branch]:
    """Yield the functions that surely take much of the wall time in a part."""
    if summary.places is None or summary.breakdown is None:
        return
    found = [
        (each.part, place)
        for each in summary.places.parts
        if is_of(each.part, each.component, part, summary.breakdown)
        for place in each.places
        if place.function and place.estimate.low >= LEAST_PLACE
    ]
    found.sort(key=lambda pair: -pair[1].estimate.share)
    for kind, place in found[:PLACES_SHOWN]:
        observer = "observer " if kind == OBSERVERS and part.kind != "observers" else ""
        share = place.estimate.share
        yield _Branch(depth, f"{observer}{place_words(place, summary)}", share, None, f"~ {100 * share:.0f}")


def is_of(sampled: str, component: str, part: Share, breakdown: Breakdown) -> bool:
    """Return whether sampled stacks of a part of the run belong to a row of the breakdown.

    Args:
        sampled: Part of the run that the stacks are in.
        component: Timed component that was open.
        part: The row.
        breakdown: The breakdown.
    """
    if sampled == CALCULATOR:
        known = any(each.kind == "component" and each.name == component for each in breakdown.parts)
        return part.name == component if known else part.kind == "calculator"
    if sampled == RECORDER:
        return part.kind == "profiler"
    apart = sampled == OBSERVERS and any(each.kind == "observers" for each in breakdown.parts)
    return part.kind == ("observers" if apart else "outside")


def place_words(place: SampledPlace, summary: Summary) -> str:
    """Return where a place is and its name; the location comes first, so that it is never cut off.

    Args:
        place: The place.
        summary: Its run.
    """
    at = location(place.file, place.line, summary.journal)
    return plain(" ".join(filter(None, (at, place_name(place)))))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
