"""Summaries of timed runs, in the columns of the study's own summary and with its deviation (n - 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.intake.reading.measurements import Measurement


def sum_up(runs: Sequence[Measurement]) -> list[dict[str, Any]]:
    """Return one row for each table, system, mode and tag.

    Args:
        runs: Runs with a usable wall time.
    """
    groups: dict[tuple[str, str, str, str], list[Measurement]] = {}
    for each in runs:
        groups.setdefault((each.table, each.system, each.mode, each.tag), []).append(each)
    return [_row(table, group) for (table, _, _, _), group in groups.items()]


def _row(table: str, group: list[Measurement]) -> dict[str, Any]:
    first = group[0]
    walls = np.array([each.wall_s for each in group], np.float64)
    return {
        "file": first.file,
        "mode": first.mode,
        "N": first.n_atoms,
        "species": first.species,
        "runs": len(group),
        "wall_mean": float(walls.mean()),
        "wall_std": float(walls.std(ddof=1)) if len(group) > 1 else None,
        "tN2_mean": float(walls.mean()) / first.n_atoms**2 if first.n_atoms else None,
        "conv_in_mean": _mean([each.conv_in_s for each in group]),
        "conv_out_mean": _mean([each.conv_out_s for each in group]),
        "tag": first.tag or None,
        "table": table,
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
