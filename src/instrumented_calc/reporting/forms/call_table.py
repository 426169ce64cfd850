"""The calls of journals as one table: a row per call, a column per quantity, with units in the names."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from instrumented_calc.errors import MissingPackageError
from instrumented_calc.intake.outgoing.safe_csv import safe_cell
from instrumented_calc.journal.columns import BLOCK_ROWS
from instrumented_calc.plain_text import plain, shown_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.journal.columns import Integers, Mask, Sparse
    from instrumented_calc.journal.reader import Journal

ALWAYS = ("index", "start_ns", "wall_ns", "gap_ns", "step", "lane", "phase", "n_atoms")
FAILURE, JOURNAL = "failure", "journal"
LONGEST_NAME = 200
PARQUET_NEEDS = (
    "the format parquet needs pyarrow, which is not installed; install it with: pip install"
    " 'instrumented-calc[parquet]', or use --format csv"
)


class CallColumn(NamedTuple):
    """One quantity of all calls of a journal.

    Attributes:
        values: One per call: integers, or text.
        known: Where it was measured.
    """

    values: Any
    known: Mask


def call_columns(journal: Journal) -> dict[str, CallColumn]:
    """Return the columns by name; of names that occur twice the first counts."""
    calls = journal.calls
    found = {name: _measured(getattr(calls, name)) for name in ALWAYS}
    for name, times in calls.components.items():
        found.setdefault(f"{plain(name, LONGEST_NAME)}_ns", CallColumn(times, calls.split))
    for name, times in calls.device.items():
        found.setdefault(f"{plain(name, LONGEST_NAME)}_device_ns", _measured(times))
    for name, counts in calls.counts.items():
        found.setdefault(plain(name, LONGEST_NAME), _measured(counts))
    for name, values in calls.sparse.items():
        found.setdefault(name, _scattered(values, len(calls), np.zeros(len(calls), dtype=np.int64)))
    texts = np.full(len(calls), "", dtype=object)
    found[FAILURE] = _scattered(calls.failures, len(calls), texts)
    return found


def _measured(values: Integers) -> CallColumn:
    return CallColumn(values, values >= 0)


def _scattered(sparse: Sparse, length: int, values: Any) -> CallColumn:
    known = np.zeros(length, dtype=np.bool_)
    known[sparse.rows] = True
    values[sparse.rows] = sparse.values
    return CallColumn(values, known)


def render_csv(journals: Sequence[Journal]) -> str:
    """Return the calls of journals as CSV; what was not measured is an empty cell.

    Args:
        journals: With more than one, the first column is the file.
    """
    tables = [call_columns(journal) for journal in journals]
    names = [*dict.fromkeys(name for table in tables for name in table)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    several = [JOURNAL] if len(journals) > 1 else []
    writer.writerow([safe_cell(name) for name in (*several, *names)])
    for journal, table in zip(journals, tables, strict=True):
        file = [safe_cell(shown_path(journal.path))] if several else []
        for begin in range(0, len(journal.calls), BLOCK_ROWS):
            end = min(begin + BLOCK_ROWS, len(journal.calls))
            columns = [[each] * (end - begin) for each in file]
            columns += [_cells(table.get(name), begin, end) for name in names]
            writer.writerows(zip(*columns, strict=True))
    return text.getvalue()


def _cells(column: CallColumn | None, begin: int, end: int) -> list[Any]:
    if column is None:
        return [""] * (end - begin)
    pairs = zip(column.values[begin:end].tolist(), column.known[begin:end].tolist(), strict=True)
    return [safe_cell(value) if known else "" for value, known in pairs]


def render_parquet(journals: Sequence[Journal]) -> bytes:
    """Return the calls of journals as a Parquet file; what was not measured is null.

    Args:
        journals: With more than one, the first column is the file.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingPackageError(PARQUET_NEEDS) from error
    tables = []
    for journal in journals:
        arrays = {
            name: pa.array(each.values, mask=~each.known, type=pa.string() if name == FAILURE else pa.int64())
            for name, each in call_columns(journal).items()
        }
        if len(journals) > 1:
            arrays = {
                JOURNAL: pa.array([shown_path(journal.path)] * len(journal.calls), pa.string())
            } | arrays
        tables.append(pa.table(arrays))
    file = pa.BufferOutputStream()
    parquet.write_table(pa.concat_tables(tables, promote_options="default"), file, compression="zstd")
    return bytes(file.getvalue())
