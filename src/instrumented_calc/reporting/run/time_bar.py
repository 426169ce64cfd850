"""The wall time of a run as a bar in text, with its legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from instrumented_calc.quantities import apportion
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.summary_layout import TEXT_WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.timing.time_shares import Breakdown, Share

INSIDE = ("component", "calculator")
MARKS = "#=+-o:"
OTHER_MARK = "."
LONGEST_NAME = 24
NAMES = {
    "observers": "your observers",
    "profiler": "instrumented-calc",
    "outside the calculator": "your script",
}


class TimeBar(NamedTuple):
    """The wall time of a run, drawn.

    Attributes:
        bar: One line of marks.
        legend: What they stand for, in percent; together 100.
        calculator: Percentage of the calculator with all its parts, as in the legend.
        outside: Percentages of the other parts that the legend names.
    """

    bar: str
    legend: str
    calculator: int
    outside: dict[str, int]


class _Segment(NamedTuple):
    mark: str
    name: str
    share: float
    inside: bool = False


def draw_time(breakdown: Breakdown | None, calculator: str) -> TimeBar | None:
    """Return the bar and its legend; None without a wall time.

    Parts for which the legend has no room are summed: those of the calculator in its rest, all others as
    "other".

    Args:
        breakdown: Where the time went.
        calculator: Name of the calculator.
    """
    if breakdown is None or not breakdown.wall_ns:
        return None
    parts = sorted(breakdown.parts, key=lambda part: -part.wall_ns)
    parts = [part for part in parts if part.kind != "calculator"][: len(MARKS) - 1]
    segments = _segments(breakdown, parts, calculator)
    while parts and len(_legend(segments)) > TEXT_WIDTH:
        segments = _segments(breakdown, parts := parts[:-1], calculator)
    lengths = apportion([each.share for each in segments], TEXT_WIDTH)
    bar = "".join(each.mark * length for each, length in zip(segments, lengths, strict=True))
    named = list(zip(segments, _percentages(segments), strict=True))
    inside = sum(percent for each, percent in named if each.inside)
    outside = {each.name: percent for each, percent in named[:-1] if not each.inside}
    return TimeBar(bar, _legend(segments), inside, outside)


def _segments(breakdown: Breakdown, shown: Sequence[Share], calculator: str) -> list[_Segment]:
    """Return the shown components, the rest of the calculator, what else is shown, and all the rest."""
    chosen = [part for part in breakdown.parts if part in shown]
    inside = [(part.name, part.wall_ns) for part in chosen if part.kind in INSIDE]
    outside = [(NAMES.get(part.name, part.name), part.wall_ns) for part in chosen if part.kind not in INSIDE]
    within = sum(breakdown.of_kind(kind) for kind in INSIDE)
    rest = within - sum(time for _, time in inside)
    others = breakdown.wall_ns - within - sum(time for _, time in outside)
    inside.append((f"rest of {calculator}" if inside else calculator, rest))
    named = [*inside, *outside, ("other", others)]
    marks = [*MARKS[: len(named) - 1], OTHER_MARK]
    return [
        _Segment(mark, _short(name), time / breakdown.wall_ns, inside=number < len(inside))
        for number, (mark, (name, time)) in enumerate(zip(marks, named, strict=True))
    ]


def _percentages(segments: Sequence[_Segment]) -> list[int]:
    return apportion([each.share for each in segments], 100)


def _legend(segments: Sequence[_Segment]) -> str:
    pairs = zip(segments, _percentages(segments), strict=True)
    return "  ".join(f"{each.mark} {each.name} {share} %" for each, share in pairs if share)


def _short(name: str) -> str:
    shown = identity.one_line(name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 3]}..."
