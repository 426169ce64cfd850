"""Tables of a study, with or without a header, and its logs and JSON records, as measurements."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import IntakeError
from instrumented_calc.intake.archives.memory_limit import ROW_BYTES, TEXT_BYTES, bounded_lines
from instrumented_calc.intake.reading.columns import HEADERLESS, KNOWN, header_of, measurement, summarized
from instrumented_calc.intake.reading.executed import executed_words
from instrumented_calc.intake.reading.measurements import (
    ENDED,
    GOOD_END,
    LogLine,
    Measurement,
    Summarized,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from instrumented_calc.intake.archives.memory_limit import Room

PROBLEMS_KEPT = 5
LONGEST_ROW = 128 * 1024  # may have several lines, if cells contain line breaks
LOG_BYTES = 4 * 2**20
WORDS_KEPT = 1_000
FULL = "not read from here on: the memory limit is reached"
LOG_WORDS = re.compile(r"(?<![\w.])(\w{1,40})=(\S{0,200})")
# HTCondor's own log of a job.
CONDOR_END = re.compile(r"ormal termination \((return value|signal) (\d{1,9})\)")
# First headings of tables that we write next to journals and results, whose data are read from those.
OURS = {"journal", "stored", "source"}
SECONDS = re.compile(r"^(\d[\d.eE+-]*)s?$")


@dataclass(slots=True)
class Read:
    """Contents of one member.

    Attributes:
        measurements: Its timed runs.
        summaries: Its summary rows.
        lines: Lines of a log.
        problems: The first few unreadable rows, with their lines.
        bad_rows: Number of unreadable rows.
    """

    measurements: list[Measurement] = field(default_factory=list)
    summaries: list[Summarized] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    bad_rows: int = 0

    def add_problem(self, text: str) -> None:
        """Add an unreadable row."""
        self.bad_rows += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(text)


class _Rows:
    """A table's rows with bounded length, which `csv.reader` alone does not ensure."""

    def __init__(self, file: BinaryIO, read: Read) -> None:
        self._lines = bounded_lines(file)
        self._read = read
        self._row_bytes = 0
        self._rows = csv.reader(self._text())

    @property
    def line(self) -> int:
        """Number of the last line read."""
        return self._rows.line_num

    def _text(self) -> Iterator[str]:
        for line in self._lines:
            self._row_bytes += len(line)
            if self._row_bytes > LONGEST_ROW:
                message = f"a row of more than {LONGEST_ROW:,} bytes"
                raise IntakeError(message)
            yield line.decode("utf-8", "replace")

    def __iter__(self) -> Iterator[list[str]]:
        while True:
            self._row_bytes = 0
            try:
                cells = next(self._rows, None)
            except csv.Error as error:
                self._read.add_problem(f"line {self.line}: {error}")
                continue
            except IntakeError as error:
                self._read.add_problem(f"line {self.line + 1}: {error}; nothing further is read")
                return
            if cells is None:
                return
            if any(cell.strip() for cell in cells):
                yield cells


def read_table(path: Path, table: str, room: Room) -> Read:
    """Read a CSV table of any known shape.

    Args:
        path: The file.
        table: Name of the table.
        room: Memory budget of its rows.
    """
    read = Read()
    with path.open("rb") as file:
        rows = _Rows(file, read)
        names: tuple[str, ...] | None = None
        for cells in rows:
            if names is None:
                names = header_of(cells)
                if names is not None:
                    continue
                if cells[0] in OURS:
                    return read
                names = HEADERLESS.get(len(cells))
                if names is None:
                    read.add_problem(f"line {rows.line}: neither a known header nor a known row")
                    return read
            if not room.take(ROW_BYTES + 8 * sum(map(len, cells))):
                read.add_problem(f"line {rows.line}: {FULL}")
                break
            _add_row(read, table, names, cells, rows.line)
    return read


def _add_row(read: Read, table: str, names: tuple[str, ...], cells: list[str], line: int) -> None:
    # A truncated row lacks its last cells; missing values were not measured.
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


def read_log(path: Path, log: str, room: Room) -> Read:
    """Read the `key=value` words of a log, or the one number of a `.wall` file.

    Args:
        path: The file.
        log: Name of the log.
        room: Memory budget of its words.
    """
    read = Read()
    with path.open("rb") as file:
        text = file.read(LOG_BYTES).decode("utf-8", "replace")
    if log.endswith(".wall"):
        wall = SECONDS.match(text.strip())
        if wall:
            read.lines.append(LogLine(log, PurePosixPath(log).stem, "", {"wall": wall[1]}))
        return read
    # A word repeated with another value belongs to the same run: the last value is used.
    values: dict[str, str] = {}
    for word in LOG_WORDS.finditer(text):
        if word[1] not in values and len(values) >= WORDS_KEPT:
            break
        values[word[1]] = word[2]
    if not room.take(ROW_BYTES + sum(2 * TEXT_BYTES + len(word) for word in values.values())):
        read.add_problem(FULL)
        return read
    ends = (f"{end[1]} {end[2]}" for end in CONDOR_END.finditer(text))
    first = next(ends, "")
    if first:
        # A single failed process of a cluster matters more than the others.
        values[ENDED] = (
            first if first != GOOD_END else next((end for end in ends if end != GOOD_END), GOOD_END)
        )
    if values:
        file_name = values.get("file") or values.get("input") or ""
        read.lines.append(LogLine(log, PurePosixPath(file_name).name, values.get("mode", ""), values))
    return read
