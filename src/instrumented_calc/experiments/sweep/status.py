"""Which cells of a sweep are done, and what is known of the others; read from the results alone."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from instrumented_calc.experiments.sweep.cell_journal import read_cell_journal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from instrumented_calc.experiments.sweep.cell_journal import CellJournal
    from instrumented_calc.experiments.sweep.manifest import SweepManifest
    from instrumented_calc.experiments.sweep.results import ResultFolder


@dataclass(frozen=True, slots=True)
class MissingCell:
    """A cell that is not done.

    Attributes:
        key: Its key.
        attempts: Number of journals of it without a good end: it is running, failed or was killed.
        host: The machine of the newest of them; empty if unknown.
        failure: The exception that ended the newest; empty if it was cut short, or is running.
        written_s: Time since that was written to, s; None without attempts.
    """

    key: str
    attempts: int = 0
    host: str = ""
    failure: str = ""
    written_s: float | None = None

    @property
    def words(self) -> str:
        """What is known of it, on one line."""
        if self.written_s is None:
            return "not started"
        tries = "" if self.attempts == 1 else f" ({self.attempts} attempts)"
        where = f" on {self.host}" if self.host else ""
        if self.failure:
            return f"failed{where}{tries}: {self.failure}"
        return f"running or killed{where}{tries}, last written {self.written_s:.0f} s ago"


@dataclass(frozen=True, slots=True)
class SweepStatus:
    """The state of a sweep.

    Attributes:
        done: The journals of the cells that are done, by key.
        missing: All other cells.
    """

    done: dict[str, CellJournal] = field(default_factory=dict)
    missing: list[MissingCell] = field(default_factory=list)

    @property
    def unreadable(self) -> dict[str, str]:
        """Of the cells that are done, those without figures: why their journal cannot be read, by key."""
        return {key: journal.unreadable for key, journal in self.done.items() if journal.unreadable}


def status_of(manifest: SweepManifest, results: ResultFolder) -> SweepStatus:
    """Return which cells are done.

    Args:
        manifest: The sweep.
        results: Its results; the folder may not exist yet.
    """
    status = SweepStatus()
    attempts = results.all_attempts()
    for key in manifest.cells:
        known = attempts.get(key, [])
        done = results.find_done(key, known)
        if done is None:
            status.missing.append(_missing(key, [results.journal(key), *known]))
        else:
            status.done[key] = done
    return status


def _missing(key: str, paths: Sequence[Path]) -> MissingCell:
    written = {}
    for path in paths:
        with suppress(OSError):
            written[path] = path.stat().st_mtime
    if not written:
        return MissingCell(key)
    newest = max(written, key=written.__getitem__)
    found = read_cell_journal(newest)
    return MissingCell(
        key,
        attempts=len(written),
        host=found.host if found else "",
        failure=found.failure if found else "",
        written_s=max(time.time() - written[newest], 0.0),
    )
