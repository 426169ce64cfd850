"""The calls of journals as a pandas DataFrame, where pandas is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import MissingPackageError
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.journal.columns import Integers
    from instrumented_calc.journal.reader import Journal

COLUMNS = ("index", "start_ns", "wall_ns", "gap_ns", "step", "lane", "phase", "n_atoms")


def calls_frame(journals: Sequence[Journal]) -> Any:
    """Return one row per call, in the order of the journals; what was not measured is NA.

    Args:
        journals: The journals; with more than one, the column `journal` names the file.

    Raises:
        MissingPackageError: pandas is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415 - optional
    except ModuleNotFoundError as error:
        message = "a DataFrame needs pandas, which is not installed; install it with: pip install pandas"
        raise MissingPackageError(message) from error
    frames = []
    for journal in journals:
        frame = pd.DataFrame(_columns(pd, journal))
        if len(journals) > 1:
            frame.insert(0, "journal", shown_path(journal.path))
        frames.append(frame)
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def _columns(pd: Any, journal: Journal) -> dict[str, Any]:
    calls = journal.calls
    found = {name: _integers(pd, getattr(calls, name)) for name in COLUMNS}
    for name, times in calls.components.items():
        found[f"{name}_ns"] = _integers(pd, times, known=calls.split)
    for name, counts in calls.counts.items():
        found.setdefault(name, _integers(pd, counts))
    for name, values in calls.sparse.items():
        found.setdefault(name, _scattered(pd, len(calls), values.rows, values.values, "Int64"))
    found["failure"] = _scattered(pd, len(calls), calls.failures.rows, calls.failures.values, "object")
    return found


def _integers(pd: Any, values: Integers, known: Any = None) -> Any:
    return pd.Series(values, dtype="Int64").where(values >= 0 if known is None else known)


def _scattered(pd: Any, length: int, rows: Integers, values: Any, dtype: str) -> Any:
    column = pd.Series([pd.NA] * length, dtype=dtype)
    column.iloc[rows] = list(values)
    return column
