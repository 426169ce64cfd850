"""One row per run of a fleet: the same figures for people, JSON, CSV and Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from instrumented_calc.plain_text import plain, shown_path

if TYPE_CHECKING:
    from instrumented_calc.analysis.fleet.fleet import Fleet
    from instrumented_calc.analysis.fleet.fleet_run import FleetRun

BROKEN = "broken"
SLOW_NODE, SLOWER, FASTER = "slow node", "slower", "faster"
NO_END, FAILED, NOT_FINITE, SAME_FRAMES = "no end", "failed", "not finite", "same frames"
DAMAGED, FAILED_CALLS, NO_START = "damaged lines", "failed calls", "no header"
# Marks in the order in which the runs are listed: what is wrong comes before what is slow.
ORDER = (
    *(NOT_FINITE, BROKEN, FAILED, NO_START, DAMAGED),
    *(SLOW_NODE, SLOWER, FASTER, SAME_FRAMES, FAILED_CALLS, NO_END),
)


class FleetRow(NamedTuple):
    """One run; None was not measured.

    Attributes:
        file: The journal.
        run_id: Id of the run.
        host: The node.
        group: Number of its group of equal runs, from 1.
        chain: Number of its chain: parts of a requeued job share it.
        started: Unix time of its start, s.
        state: `ended`, `failed` or `no end`.
        failure: Class of the exception that ended it.
        rank: MPI rank.
        calls: Calculations.
        failed_calls: Those that raised.
        not_finite: Calls with NaN or infinity, at least.
        broken: What shows that the simulation is broken, as far as was read.
        run_ns: From start to end, ns.
        call_ns: Median steady call, ns.
        calls_read: Steady calls that it is the median of.
        against_equals: By which share its calls take longer than those of its equals.
        peak_rss_bytes: Peak memory.
        damaged_lines: Lines that could not be decoded, in what was read.
        torn: Whether the last line is incomplete.
        size_bytes: Size of the journal.
        marks: What is remarkable, separated by commas.
    """

    file: str
    run_id: str | None
    host: str | None
    group: int
    chain: int
    started: float | None
    state: str
    failure: str | None
    rank: int | None
    calls: int | None
    failed_calls: int | None
    not_finite: int | None
    broken: str | None
    run_ns: int | None
    call_ns: float | None
    calls_read: int
    against_equals: float | None
    peak_rss_bytes: int | None
    damaged_lines: int
    torn: bool
    size_bytes: int
    marks: str


def fleet_rows(fleet: Fleet) -> list[FleetRow]:
    """Return one row per run, in the order of the files."""
    chains = {id(part): number for number, chain in enumerate(fleet.chains, 1) for part in chain.parts}
    groups = {id(run): (number, group) for number, group in enumerate(fleet.groups, 1) for run in group.runs}
    slow = {(each.hardware, each.host) for each in fleet.slow_nodes}
    same = {id(run) for each in fleet.same for run in each.runs}
    rows = []
    for run in fleet.runs:
        number, group = groups[id(run)]
        deviation = group.deviation(run)
        outlier = "" if not group.is_outlier(run) else SLOWER if (deviation or 0.0) > 0 else FASTER
        found = _marks_of(run)
        found |= {SLOW_NODE} if (group.hardware, run.host) in slow else set()
        found |= {SAME_FRAMES} if id(run) in same else set()
        found |= {outlier} if outlier else set()
        marks = ", ".join(sorted(found, key=ORDER.index))
        rows.append(_row(run, number, chains[id(run)], deviation, marks))
    return rows


def _marks_of(run: FleetRun) -> set[str]:
    present = {
        NOT_FINITE: run.not_finite,
        BROKEN: run.ruin,
        FAILED: run.state == "failed",
        NO_END: run.state == "no end",
        NO_START: not run.run_id,
        DAMAGED: run.damaged_lines,
        FAILED_CALLS: run.failed_calls,
    }
    return {mark for mark, there in present.items() if there}


def _row(run: FleetRun, group: int, chain: int, deviation: float | None, marks: str) -> FleetRow:
    return FleetRow(
        file=shown_path(run.path),
        run_id=plain(run.run_id, 80) or None,
        host=plain(run.host, 80) or None,
        group=group,
        chain=chain,
        started=run.started,
        state=run.state,
        failure=plain(run.failure, 80) or None,
        rank=run.rank,
        calls=run.calls,
        failed_calls=run.failed_calls,
        not_finite=run.not_finite,
        broken=plain("; ".join(run.ruin)) or None,
        run_ns=run.run_ns,
        call_ns=run.call_ns,
        calls_read=run.calls_read,
        against_equals=deviation,
        peak_rss_bytes=run.peak_rss_bytes,
        damaged_lines=run.damaged_lines,
        torn=run.torn,
        size_bytes=run.size,
        marks=marks,
    )


def row_dicts(fleet: Fleet) -> list[dict[str, Any]]:
    """Return the rows as dictionaries."""
    return [row._asdict() for row in fleet_rows(fleet)]
