"""Tables of a study, with or without a header, and its logs and JSON records, as measurements."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from instrumented_calc.intake.columns import HEADERLESS, KNOWN, header_of, measurement, summarized
from instrumented_calc.intake.executed import executed_words
from instrumented_calc.intake.measurements import (
    ENDED,
    GOOD_END,
    LogLine,
    Measurement,
    Summarized,
)

if TYPE_CHECKING:
    from pathlib import Path

ROWS_KEPT = 200_000
PROBLEMS_KEPT = 5
LOG_BYTES = 16 * 2**20
LOG_WORDS = re.compile(r"(?<![\w.])(\w{1,40})=(\S{0,200})")
# HTCondor's own log of a job.
CONDOR_END = re.compile(r"ormal termination \((return value|signal) (\d{1,9})\)")
# First headings of tables that we write beside journals and results: what they hold is read from those.
OURS = {"journal", "stored", "source"}
SECONDS = re.compile(r"^(\d[\d.eE+-]*)s?$")


@dataclass(slots=True)
class Read:
    """What one member holds.

    Attributes:
        measurements: Its timed runs.
        summaries: Its summed-up rows.
        lines: What a log says.
        problems: Rows that cannot be read, the first few, each with its line.
        bad_rows: How many there are.
    """

    measurements: list[Measurement] = field(default_factory=list)
    summaries: list[Summarized] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    bad_rows: int = 0

    def add_problem(self, text: str) -> None:
        """Note what cannot be read."""
        self.bad_rows += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(text)


def read_table(path: Path, table: str) -> Read:
    """Read a CSV table of any of the known shapes.

    Args:
        path: The file.
        table: What to call it.
    """
    read = Read()
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.reader(file)
        names: tuple[str, ...] | None = None
        while rows.line_num < ROWS_KEPT:
            try:
                cells = next(rows, None)
            except csv.Error as error:
                read.add_problem(f"line {rows.line_num}: {error}")
                continue
            if cells is None:
                break
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = header_of(cells)
                if names is not None:
                    continue
                if cells[0] in OURS:
                    return read
                names = HEADERLESS.get(len(cells))
                if names is None:
                    read.add_problem(f"line {rows.line_num}: neither a known header nor a known row")
                    return read
            _add_row(read, table, names, cells, rows.line_num)
    return read


def _add_row(read: Read, table: str, names: tuple[str, ...], cells: list[str], line: int) -> None:
    # A row cut short lacks its last cells; what is missing was not measured.
    found = {name: cell for name, cell in zip(names, cells, strict=False) if name}
    try:
        if "wall_mean" in names:
            read.summaries.append(summarized(table, found))
        else:
            read.measurements.append(measurement(table, found))
    except (ValueError, OverflowError) as error:
        read.add_problem(f"line {line}: {error}")


def read_metrics(found: dict[str, Any], table: str, name: str) -> Read:
    """Read one record of one run: `<workload>_<mode>.metrics.json`, or a cell of our own experiment."""
    read = Read()
    if isinstance(found.get("executed"), dict):
        found = {**found, **executed_words(found["executed"])}
    cells = {KNOWN[key.lower()]: value for key, value in found.items() if key.lower() in KNOWN}
    cells.setdefault("file", name.partition(".")[0].removesuffix(f"_{cells.get('mode', '')}"))
    try:
        read.measurements.append(measurement(table, cells))
    except (ValueError, OverflowError) as error:
        read.add_problem(str(error))
    return read


def read_workloads(found: dict[str, Any], table: str) -> Read:
    """Read the workloads of AniSOAP-Torch: upstream against optimised, or all times of a benchmark."""
    read = Read()
    for place, each in enumerate(found["workloads"]):
        try:
            read.measurements += _workload(each, table)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:  # noqa: PERF203 - a few
            read.add_problem(f"workload {place}: {type(error).__name__} {error}")
    return read


def _workload(each: dict[str, Any], table: str) -> list[Measurement]:
    modes = (("upstream", "upstream_seconds"), ("optimized", "optimized_seconds"))
    cells = [{"mode": mode, "wall_s": each[key]} for mode, key in modes if key in each]
    walls = each.get("all_seconds", ())
    cells += [{"mode": "benchmark", "rep": rep, "wall_s": wall} for rep, wall in enumerate(walls, 1)]
    return [measurement(table, {"file": each["name"], **one}) for one in cells]


def read_log(path: Path, log: str) -> Read:
    """Read the `key=value` words of a log, or the one number of a `.wall` file."""
    read = Read()
    with path.open("rb") as file:
        text = file.read(LOG_BYTES).decode("utf-8", "replace")
    if log.endswith(".wall"):
        wall = SECONDS.match(text.strip())
        if wall:
            read.lines.append(LogLine(log, PurePosixPath(log).stem, "", {"wall": wall[1]}))
        return read
    # A word that is told again with another value is the same run going on: the last one holds.
    values: dict[str, str] = dict(LOG_WORDS.findall(text))
    ends = [f"{what} {number}" for what, number in CONDOR_END.findall(text)]
    if ends:
        # One process of a cluster that ended badly is what matters.
        values[ENDED] = next((end for end in ends if end != GOOD_END), GOOD_END)
    if values:
        file_name = values.get("file") or values.get("input") or ""
        read.lines.append(LogLine(log, PurePosixPath(file_name).name, values.get("mode", ""), values))
    return read
