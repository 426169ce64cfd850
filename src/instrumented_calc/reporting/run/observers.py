"""Observers by name: a row of the closing summary and a section of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.plain_text import plain
from instrumented_calc.quantities import count, duration, elapsed, percentage, plural
from instrumented_calc.reporting.document import Paragraph, Section, Table
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.places import SUMMED
from instrumented_calc.reporting.run.source_location import location

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.observers import ObserverUse
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.journal.reader import Journal

OBSERVERS_SHOWN = 20
# The closing summary names observers if all of them take more than the first, and each more than the second.
LARGE_SHARE, LEAST_SHARE = 0.05, 0.01


def observers_section(summary: Summary) -> Section | None:
    """Return the observers with their calls and times, or None if there are none."""
    found, journal = summary.observers, summary.journal
    if not found:
        return None
    rows = [
        (
            observer_name(each),
            location(each.file, each.line, journal) or "-",
            count(each.calls),
            elapsed(each.ns),
            duration(each.ns / each.calls) if each.calls else "-",
            f"{100 * each.share:.1f}",
        )
        for each in found[:OBSERVERS_SHOWN]
    ]
    remarks = ["Time in the observer itself, without calculations that it caused and other observers."]
    if len(found) > OBSERVERS_SHOWN:
        remarks.append(f"And {plural(len(found) - OBSERVERS_SHOWN, 'more observer')}.")
    headings = ("observer", "at", "calls", "time", "per call", "% of wall")
    return Section("Observers", (Table(headings, tuple(rows)), Paragraph(tuple(remarks))))


def observer_name(use: ObserverUse) -> str:
    """Return the name of an observer for one line."""
    return SUMMED if use.is_sum else identity.one_line(use.name)


def located_name(use: ObserverUse, journal: Journal) -> str:
    """Return where an observer is and its name; the location comes first, so that it is never cut off."""
    return plain(" ".join(filter(None, (location(use.file, use.line, journal), observer_name(use)))))


def observers_words(found: Sequence[ObserverUse] | None) -> list[str]:
    """Return the large observers with their shares of the wall time, for the closing summary."""
    if not found or sum(each.share for each in found) < LARGE_SHARE:
        return []
    return [f"{observer_name(each)} {percentage(each.share)}" for each in found if each.share >= LEAST_SHARE]
