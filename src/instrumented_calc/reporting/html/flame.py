"""The wall time of a run as nested rectangles: the calculator, its parts, functions; what is outside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instrumented_calc.plain_text import plain
from instrumented_calc.quantities import duration, percentage, plural
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.screen.time_tree import is_of, place_words
from instrumented_calc.reporting.run.time_bar import INSIDE, NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from instrumented_calc.analysis.places import SampledPlace, ShareEstimate
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.analysis.timing.time_shares import Breakdown, Share

LEAST_SHARE = 0.001  # of the wall time; smaller pieces cannot be seen
LONGEST_NAME = 120
DECIMALS = 4  # of percentages in the drawing


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the wall time.

    Attributes:
        name: What it is.
        kind: `run`, `phase`, `calculator`, `component`, `outside`, `observers`, `profiler`, `place`, `line`.
        share: Its share of the wall time.
        wall_ns: Its time.
        note: For an estimate its 95 % interval; empty: the time is exact.
        pieces: What it consists of, as far as known.
    """

    name: str
    kind: str
    share: float
    wall_ns: float
    note: str = ""
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A piece where it is drawn.

    Attributes:
        number: Its number in the drawing.
        parent: Number of the piece around it; -1: none.
        depth: Its level, from 0.
        left: Left edge in percent of the width.
        width: Width in percent.
        kind: As of the piece.
        name: Name of the piece.
        words: Its time and share.
    """

    number: int
    parent: int
    depth: int
    left: str
    width: str
    kind: str
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Flame:
    """A drawing of a tree of wall time.

    Attributes:
        title: Which time.
        rectangles: Its pieces, each after the one around it.
        levels: Number of levels.
    """

    title: str
    rectangles: tuple[Rectangle, ...]
    levels: int


def draw_flames(summary: Summary, calculator: str) -> list[Flame]:
    """Return the drawing of the whole run and, if it has several phases, one by phase; none without a time.

    Args:
        summary: The run.
        calculator: Name of the calculator.
    """
    breakdown = summary.breakdown
    if breakdown is None or not breakdown.wall_ns:
        return []
    wall = breakdown.wall_ns
    whole = Piece("wall time", "run", 1.0, wall, pieces=tuple(_parts(breakdown, calculator, wall, summary)))
    flames = [_drawn("whole run", whole)]
    phases = [each for each in summary.phases if each.breakdown is not None and each.breakdown.wall_ns]
    if len(phases) > 1:
        pieces = tuple(
            Piece(
                identity.phase_words(each.phase),
                "phase",
                each.wall_ns / wall,
                each.wall_ns,
                pieces=tuple(_parts(each.breakdown, calculator, wall)),
            )
            for each in phases
            if each.breakdown is not None
        )
        flames.append(_drawn("by phase", replace(whole, pieces=pieces)))
    return flames


def _parts(
    breakdown: Breakdown, calculator: str, wall_ns: int, summary: Summary | None = None
) -> Iterator[Piece]:
    """Yield the calculator with its parts and what is outside; functions only of the whole run."""
    inside = [part for part in breakdown.parts if part.kind in INSIDE]
    pieces = [_part(part, part.name, breakdown, wall_ns, summary) for part in inside]
    time = sum(part.wall_ns for part in inside)
    whole = len(pieces) == 1  # without parts: its functions follow at once
    within = pieces[0].pieces if whole else tuple(_largest(pieces))
    yield Piece(calculator, "calculator", time / wall_ns, time, pieces=within)
    outside = [part for part in breakdown.parts if part.kind not in INSIDE and part.wall_ns]
    yield from _largest(
        _part(part, NAMES.get(part.name, part.name), breakdown, wall_ns, summary) for part in outside
    )


def _part(part: Share, name: str, breakdown: Breakdown, wall_ns: int, summary: Summary | None) -> Piece:
    kind = "component" if part.kind == "calculator" else part.kind
    pieces = tuple(_places(part, breakdown, summary)) if summary is not None else ()
    return Piece(identity.one_line(name), kind, part.wall_ns / wall_ns, part.wall_ns, pieces=pieces)


def _places(part: Share, breakdown: Breakdown, summary: Summary) -> list[Piece]:
    if summary.places is None:
        return []
    found = [
        _place(place, summary)
        for each in summary.places.parts
        if is_of(each.part, each.component, part, breakdown)
        for place in each.places
        if place.function
    ]
    return _largest(found)


def _place(place: SampledPlace, summary: Summary) -> Piece:
    details = [
        _estimated(
            _detail_name(detail.function, detail.package, detail.line), "line", detail.estimate, summary
        )
        for detail in place.details
    ]
    pieces = tuple(_largest(details)) if len(details) > 1 else ()
    return replace(_estimated(place_words(place, summary), "place", place.estimate, summary), pieces=pieces)


def _detail_name(function: str, package: str, line: int) -> str:
    return f"line {line}" if line else f"{function} ({package})" if package else function


def _estimated(name: str, kind: str, estimate: ShareEstimate, summary: Summary) -> Piece:
    exact = estimate.low == estimate.high
    interval = f"95 %: {percentage(estimate.low)} to {percentage(estimate.high)}"
    note = f"estimated from {plural(estimate.samples, 'sample')}" + ("" if exact else f", {interval}")
    wall = summary.breakdown.wall_ns if summary.breakdown else 0
    return Piece(identity.one_line(name), kind, estimate.share, estimate.share * wall, note)


def _largest(pieces: Iterable[Piece]) -> list[Piece]:
    """Return the pieces that can be seen, largest first."""
    return sorted((each for each in pieces if each.share >= LEAST_SHARE), key=lambda each: -each.share)


def _drawn(title: str, root: Piece) -> Flame:
    rectangles = list(_rectangles(root))
    return Flame(title, tuple(rectangles), 1 + max(each.depth for each in rectangles))


def _rectangles(root: Piece) -> Iterator[Rectangle]:
    """Yield a piece and those in it, depth first; estimates that exceed the piece around them are scaled."""
    waiting: list[tuple[Piece, int, int, float, float]] = [(root, -1, 0, 0.0, 100.0)]
    number = 0
    while waiting:
        piece, parent, depth, left, width = waiting.pop()
        yield Rectangle(
            number,
            parent,
            depth,
            f"{left:.{DECIMALS}f}",
            f"{width:.{DECIMALS}f}",
            piece.kind,
            plain(piece.name, LONGEST_NAME),
            _words(piece),
        )
        waiting += reversed(_within(piece, number, depth, left, width))
        number += 1


def _within(
    piece: Piece, number: int, depth: int, left: float, width: float
) -> list[tuple[Piece, int, int, float, float]]:
    total = max(sum(each.share for each in piece.pieces), piece.share)
    placed = []
    for each in piece.pieces:
        part = width * each.share / total if total else 0.0
        placed.append((each, number, depth + 1, left, part))
        left += part
    return placed


def _words(piece: Piece) -> str:
    share = f"{'about ' if piece.note else ''}{percentage(piece.share)} of the wall time"
    words = f"{duration(piece.wall_ns)}, {share}" if not piece.note else share
    return f"{words}, {piece.note}" if piece.note else words


def shares_in_words(pieces: Sequence[Rectangle]) -> str:
    """Return the largest pieces outside of any other, as a text in place of the drawing."""
    return "; ".join(f"{each.name}: {each.words}" for each in pieces if each.depth == 1)
