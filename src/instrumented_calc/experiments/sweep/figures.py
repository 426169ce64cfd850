"""The figures of a cell that is done: a small JSON file, made from nothing but its journal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.scaling import not_as_pinned
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.errors import ExperimentError
from instrumented_calc.journal.new_file import replace
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.experiments.sweep.cell import SweepCell
    from instrumented_calc.experiments.sweep.results import ResultFolder

NS_PER_MS, NS_PER_US, BYTES_PER_MB = 1e6, 1e3, 1e6
LISTS = ("problems", "broken", "not_judged")  # which every file of figures has


def figures_of(cell: SweepCell, summary: Summary) -> dict[str, Any]:
    """Return the figures of a cell; those that were not measured are absent.

    Args:
        cell: The cell.
        summary: Its journal in numbers.

    Returns:
        Its definition, run and host; times with their units, memory in MB (10^6 bytes), the share of the time
        that it waited for a processor; `problems`: why it is not what the manifest asks for; `broken`: what
        is wrong with its simulation and since when; `not_judged`: the soundness rules that lacked evidence.
    """
    journal, latency, speed = summary.journal, summary.latency, summary.speed
    start, end = journal.start, journal.end
    found = {
        "key": cell.key,
        **cell.definition,
        "run_id": start and start.run_id,
        "host": journal.environment.host or None,
        "started": start and start.started,
        "ended": end and end.ended,
        "calls": latency and latency.calls,
        "median_ms": latency and latency.median_ns / NS_PER_MS,
        "p95_ms": latency and latency.p95_ns / NS_PER_MS,
        "us_per_atom": latency and latency.median_ns / NS_PER_US / cell.n_atoms,
        "steps_per_s": speed and speed.steps_per_s,
        "ns_per_day": speed and speed.ns_per_day,
        "peak_mb": summary.memory and summary.memory.peak_bytes / BYTES_PER_MB,
        "processor_wait": summary.processor_wait,
    }
    present = {name: value for name, value in found.items() if value is not None}
    checks = summary.soundness
    return {
        **present,
        "problems": _problems(cell, summary),
        "broken": [each.text for each in checks.ruined],
        "not_judged": [each.name for each in checks.checks if each.verdict == "not enough evidence"],
    }


def _problems(cell: SweepCell, summary: Summary) -> list[str]:
    """Return why a journal is not what its cell asks for; not expected, since the key matched."""
    found = []
    sizes = {lane.n_atoms for lane in summary.journal.lanes.values() if lane.n_atoms}
    if sizes != {cell.n_atoms}:
        found.append(f"{', '.join(map(str, sorted(sizes))) or 'unknown'} atoms instead of {cell.n_atoms}")
    if summary.speed is None or summary.speed.steps < cell.steps:
        found.append(f"{summary.speed.steps if summary.speed else 'unknown'} steps instead of {cell.steps}")
    return found + (not_as_pinned([summary], cell.threads) if cell.threads else [])


def write_figures(cell: SweepCell, results: ResultFolder) -> None:
    """Write the figures of a cell that is done, in place of any earlier ones.

    Raises:
        JournalReadError: Its journal cannot be read.
        ExperimentError: The file cannot be written.
    """
    figures = figures_of(cell, summarize(read_journal(results.journal(cell.key))))
    path = results.figures(cell.key)
    try:
        replace(path, (json.dumps(figures, indent=1) + "\n").encode())
    except OSError as error:
        message = f"cannot write {shown_path(path)}: {error.strerror}; give another --output"
        raise ExperimentError(message) from error


def read_figures(cell: SweepCell, results: ResultFolder, run_id: str) -> dict[str, Any] | None:
    """Read the figures of a cell.

    Returns:
        None if there are none, or if they are not those of this cell and run.
    """
    try:
        found = json.loads(results.figures(cell.key).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), list) for name in LISTS):
        return None
    expected = {"key": cell.key, "run_id": run_id, **cell.definition}
    return found if all(found.get(name) == value for name, value in expected.items()) else None
