"""Read a journal, fast and tolerant of damage.

A journal may be growing, truncated or damaged: every good record is used, every bad line is counted. Only a
file without a single record of the format is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal import records
from instrumented_calc.journal.damage import BadLine, Damage
from instrumented_calc.journal.gathering import LISTED, Gathering
from instrumented_calc.journal.lines import open_lines
from instrumented_calc.journal.newest_calls import NewestCalls
from instrumented_calc.journal.process_alive import writer_is_alive
from instrumented_calc.journal.run_start import looks_like
from instrumented_calc.plain_text import shown_path
from instrumented_calc.quantities import plural

if TYPE_CHECKING:
    import os

    from instrumented_calc.journal.columns import Calls


@dataclass(frozen=True, slots=True, repr=False)
class Journal:
    """One journal in memory.

    Attributes:
        path: The file.
        size_bytes: Number of bytes read: the file's size at opening.
        start: Its first record; None if lost.
        calls: The `call` rows as columns.
        lanes: Wrapped calculators by number.
        phases: Drivers by number.
        slices: Exact sums of thinned intervals.
        systems: The compositions of the calculated structures.
        contractions: Contractions inside calls, a record about every second.
        conversions: Conversions and copies inside calls, a record about every second.
        product_times: Times of the longest contractions as matrix products, measured at the end of the run.
        traces: Trace windows.
        places: Sampled stacks; each record has all samples so far.
        step_profiles: Functions in the profiled steps; each record has all so far.
        observers: Observers of the drivers; each record has all so far.
        states: Samples of the simulation state.
        machines: Samples of the machine state, every few seconds.
        open_calls: Calls that had not ended, recorded by the journal's thread.
        findings: Findings reported during the run.
        notices: Events of the recording, and the user's marks.
        counters: The last totals written, by `run_end` or before; None if there are none.
        end: The last record; None in a journal that was truncated or is still growing.
        products_timed_now: Whether `product_times` was measured on the machine that reads the journal.
        running: Whether the process that writes a journal without an end is running; None if unknown.
        torn: Whether the last line is cut short.
        bad_lines: Number of unusable lines, excluding the torn one.
        first_bad: The first few of them.
        damage: Other damage of the file.
        unknown_events: Records of unknown kinds, by event.
    """

    path: Path
    size_bytes: int
    start: records.RunStart | None
    calls: Calls
    lanes: dict[int, records.Lane] = field(default_factory=dict)
    phases: dict[int, records.Phase] = field(default_factory=dict)
    slices: tuple[records.Slice, ...] = ()
    systems: tuple[records.ComputedSystem, ...] = ()
    contractions: tuple[records.Contractions, ...] = ()
    conversions: tuple[records.Conversions, ...] = ()
    product_times: tuple[records.ProductTimes, ...] = ()
    traces: tuple[records.TraceWindow, ...] = ()
    places: tuple[records.Places, ...] = ()
    step_profiles: tuple[records.StepProfiles, ...] = ()
    observers: tuple[records.Observers, ...] = ()
    states: tuple[records.State, ...] = ()
    machines: tuple[records.Machine, ...] = ()
    open_calls: tuple[records.OpenCall, ...] = ()
    findings: tuple[records.Finding, ...] = ()
    notices: tuple[records.Notice, ...] = ()
    counters: records.Counters | None = None
    end: records.RunEnd | None = None
    products_timed_now: bool = False
    running: bool | None = None
    torn: bool = False
    bad_lines: int = 0
    first_bad: tuple[BadLine, ...] = ()
    damage: Damage = field(default_factory=Damage)
    unknown_events: dict[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        """One line: a journal has thousands of rows."""
        partial = ", partial" if self.partial else ""
        return f"<Journal {shown_path(self.path)}: {plural(len(self.calls), 'row')}{partial}>"

    @property
    def partial(self) -> bool:
        """Whether the journal has no `run_end`."""
        return self.end is None

    @property
    def environment(self) -> records.Environment:
        """The machine and its software; empty if the first record is lost."""
        return records.Environment() if self.start is None else self.start.environment

    @property
    def parent_run_id(self) -> str | None:
        """The run of the process that forked this one, or None if there is none or it is unknown."""
        return None if self.start is None else self.start.parent_run_id or None


def read_journal(path: str | os.PathLike[str]) -> Journal:
    """Read a journal.

    Args:
        path: The file, finished, truncated or still growing.

    Returns:
        The journal: calls as columns, all other records unchanged.

    Raises:
        JournalReadError: If there is no such file, or it has no record of a journal.
    """
    with open_lines(path) as lines:
        head = lines.head()
        found = Gathering(lines.size)
        newest = NewestCalls(Path(path))
        found.read(lines, str(path), newest)
    if found.empty:
        raise JournalReadError(no_journal(path, head))
    found.add_newest(newest)
    return _journal(Path(path), lines.size, found)


def no_journal(path: str | os.PathLike[str], head: bytes) -> str:
    """Return the error message for a file without any journal record.

    Args:
        path: The file.
        head: Its first bytes.
    """
    where = shown_path(path)
    if not head.strip():
        return f"{where}: empty, no calls were recorded; give a journal such as run.jsonl"
    return f"{where}:1: not a journal, {looks_like(head)}; give a journal such as run.jsonl"


def _journal(path: Path, size: int, found: Gathering) -> Journal:
    calls, damage = found.finished()
    listed: dict[str, Any] = {name: tuple(found.lists[kind]) for name, kind in LISTED.items()}
    return Journal(
        path=path,
        size_bytes=size,
        start=found.start,
        calls=calls,
        lanes=found.lanes,
        phases=found.phases,
        **listed,
        counters=found.counters,
        end=found.end,
        running=None if found.end else writer_is_alive(found.start),
        torn=found.torn,
        bad_lines=found.bad_count,
        first_bad=tuple(found.bad),
        damage=damage,
        unknown_events=dict(found.unknown),
    )
