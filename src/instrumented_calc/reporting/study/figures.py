"""Figures of a controlled experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.study.cells import DEFAULT_TAG, FULL, NUMPY
from instrumented_calc.reporting.figure import Figure, Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.study.judgement import ReplicateMean, Row, Study

MS = 1e3
US = 1e6


def figures_of(study: Study) -> list[Figure]:
    """Return the figures that the rows suffice for.

    Args:
        study: Result of the study.
    """
    rows = study.rows
    every = [
        Figure(
            "wall_time_by_system",
            "Wall time per evaluation, mean and 95 % interval",
            "input",
            "wall time, ms",
            tuple(_point(_series(row), row.file, row.wall, MS) for row in rows),
            logarithmic=True,
        ),
        scaling_species(rows),
        util_before_after(rows),
        Figure(
            "einsum_share",
            "Share of einsums in one recorded evaluation",
            "input",
            "share, %",
            tuple(
                _point(_series(each), each.file, each.einsum_share, 100.0)
                for each in rows
                if each.einsum_share
            ),
        ),
    ]
    return [each for each in every if each.points]


def scaling_species(rows: Sequence[Row]) -> Figure:
    """Return time / N^2 against the number of species.

    Args:
        rows: Rows of any inputs.
    """
    points = tuple(
        _point(_series(row), row.species, row.wall, US / row.n_atoms**2)
        for row in rows
        if sum(1 for each in rows if (each.mode, each.tag, each.species) == (row.mode, row.tag, row.species))
        == 1
    )
    title = "Time over N², mean and 95 % interval"
    return Figure("scaling_species", title, "species", "time / N², us", points, lines=True, logarithmic=True)


def util_before_after(rows: Sequence[Row]) -> Figure:
    """Return the processor utilisation of NumPy (before) and of torch alone (after).

    Args:
        rows: Rows of any inputs.
    """
    names = {NUMPY: "before: numpy_only", FULL: "after: torch_full"}
    points = tuple(
        _point(f"{names[row.mode]}{_tag(row)}", row.file, row.util, 100.0)
        for row in rows
        if row.mode in names and row.util is not None
    )
    title = "Processor time over wall time"
    return Figure("util_before_after", title, "input", "of one processor, %", points)


def _series(row: Row) -> str:
    return row.mode + _tag(row)


def _tag(row: Row) -> str:
    return "" if row.tag == DEFAULT_TAG else f" ({row.tag})"


def _point(series: str, place: str | float, spread: ReplicateMean | None, factor: float) -> Point:
    if spread is None:
        return Point(series, place, 0.0)
    interval = spread.interval
    return Point(
        series,
        place,
        spread.mean * factor,
        None if interval is None else interval.low * factor,
        None if interval is None else interval.high * factor,
    )
