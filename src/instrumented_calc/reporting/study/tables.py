"""The tables of a controlled experiment, in the columns of AniSOAP's optimisation study."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from instrumented_calc.analysis.study.cells import StudyCell
    from instrumented_calc.analysis.study.judgement import ReplicateMean, Row

TIMINGS = (
    *("file", "mode", "rep", "N", "species_unique"),
    *("wall_s", "compute_s", "conv_in_s", "conv_out_s", "time_per_N2"),
    *("tag", "util"),  # optional in that format
)
SUMMARY = (
    *("file", "mode", "N", "species", "runs"),
    *("wall_mean", "wall_std", "tN2_mean", "conv_in_mean", "conv_out_mean"),
    "tag",
)


def timings_csv(cells: Iterable[StudyCell]) -> str:
    """Return `timings_local.csv`: one line per finished cell; unmeasured values are empty.

    Args:
        cells: Cells with a time.
    """
    rows = [
        (
            *(each.file, each.mode, each.rep, each.n_atoms, each.species),
            *(each.wall_s, each.compute_s, each.conv_in_s, each.conv_out_s),
            each.wall_s / each.n_atoms**2,
            *(each.tag, each.util),
        )
        for each in cells
        if each.wall_s is not None
    ]
    return _csv(TIMINGS, rows)


def summary_csv(rows: Iterable[Row]) -> str:
    """Return `summary_local.csv`: one line per input and mode.

    Args:
        rows: Rows of the analysis.
    """
    lines = [
        (
            *(each.file, each.mode, each.n_atoms, each.species, each.runs),
            *(each.wall.mean, each.wall.std, each.per_n2(each.wall.mean)),
            *(_mean(each.conv_in), _mean(each.conv_out)),
            each.tag,
        )
        for each in rows
    ]
    return _csv(SUMMARY, lines)


def _mean(spread: ReplicateMean | None) -> float | None:
    return None if spread is None else spread.mean


def _csv(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return text.getvalue()
