"""One run of a fleet: the few figures by which it is compared with its equals."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from msgspec import UNSET

from instrumented_calc.analysis.comparison.hardware import evidence_of
from instrumented_calc.analysis.fleet.ruin import not_finite_calls, ruin_of
from instrumented_calc.analysis.statistics.weighted_median import weighted_median
from instrumented_calc.journal.records import bucket_middle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from instrumented_calc.journal.excerpt import Excerpt
    from instrumented_calc.journal.records import RunStart

State = Literal["ended", "failed", "no end"]

# With fewer steady calls a run has no median that could be compared.
FEWEST_CALLS = 20
# The first part of a run is left out: warm-up is looked for in its first fifth, too.
WARM_UP_SHARE = 0.2
# Energies of the first geometries, to the last bit, by which processes that compute the same are recognised.
FRAMES = 8
FEWEST_FRAMES = 3
KNOWN_CALCULATORS = 20  # of which the key has the systems; a screening may have thousands


@dataclass(frozen=True, slots=True)
class FleetRun:
    """One run, or one part of a requeued job.

    Attributes:
        path: The journal.
        run_id: Id of the run; empty if its first record is lost.
        key: What runs must share to be equals: machine, software, calculator, systems and drivers, as hash;
            empty if the first record is lost.
        identity: The same in words, by name.
        host: The node; empty if unknown.
        started: Unix time of its start, s; None if unknown.
        state: How it ended, as far as the journal says.
        failure: Class of the exception that ended it; empty: none.
        calls: Calculations; None if unknown.
        failed_calls: Those that raised; None if unknown.
        not_finite: Calls with NaN or infinity, at least; None if not looked for.
        ruin: What shows that the simulation is broken, one sentence each, as far as was read.
        run_ns: Time from its start to its end, or to the last record that was read, ns.
        call_ns: Median duration of a steady call, ns; None with fewer than `FEWEST_CALLS`.
        calls_read: Steady calls that it is the median of.
        peak_rss_bytes: Peak resident memory; None if unknown.
        frames: Hash of the energies of the first geometries; empty: too few are known.
        rank: MPI rank; None: not one of several.
        parent_run_id: Run of the process that started this one; empty: none.
        series: Links the parts of a requeued job; empty: none.
        program: Command line and working directory, as hash; empty if unknown.
        damaged_lines: Lines that could not be decoded, in what was read.
        torn: Whether the last line is incomplete.
        size: Size of the journal, bytes.
        modified: Unix time of its last change, s.
        continues: Whether the file continues another one of the same run.
        first: Number and time (ns) of the first call in the file; None without calls.
    """

    path: str
    run_id: str = ""
    key: str = ""
    identity: Mapping[str, str] = field(default_factory=dict)
    host: str = ""
    started: float | None = None
    state: State = "no end"
    failure: str = ""
    calls: int | None = None
    failed_calls: int | None = None
    not_finite: int | None = None
    ruin: tuple[str, ...] = ()
    run_ns: int | None = None
    call_ns: float | None = None
    calls_read: int = 0
    peak_rss_bytes: int | None = None
    frames: str = ""
    rank: int | None = None
    parent_run_id: str = ""
    series: str = ""
    program: str = ""
    damaged_lines: int = 0
    torn: bool = False
    size: int = 0
    modified: float = 0.0
    continues: bool = False
    first: tuple[int, int] | None = None


def run_of_excerpt(excerpt: Excerpt) -> FleetRun:
    """Return the figures of one run.

    Args:
        excerpt: What was read of its journal.
    """
    start, end, counters = excerpt.start, excerpt.end, excerpt.counters
    rows = excerpt.rows
    call_ns, number = _call_time(excerpt)
    identity = {} if start is None else _identity(excerpt)
    last_row = max((row.start_ns + row.wall_ns for row in rows), default=None)
    failure = "" if end is None else end.failure or ""
    return FleetRun(
        path=str(excerpt.path),
        key=_hash(sorted(identity.items())) if start is not None and excerpt.lanes else "",
        identity=identity,
        state="no end" if end is None else "failed" if failure else "ended",
        failure=failure,
        calls=_number_of_calls(excerpt),
        failed_calls=None if counters is None else counters.failed,
        not_finite=not_finite_calls(excerpt),
        ruin=ruin_of(excerpt),
        run_ns=last_row if end is None else end.time_ns,
        call_ns=call_ns,
        calls_read=number,
        peak_rss_bytes=None if end is None else _known(end.peak_rss_bytes),
        frames=_frames(rows),
        damaged_lines=excerpt.damaged_lines,
        torn=excerpt.torn,
        size=excerpt.size,
        modified=excerpt.modified,
        first=(rows[0].index, rows[0].start_ns) if rows else None,
        **({} if start is None else _origin(start)),
    )


def _origin(start: RunStart) -> dict[str, Any]:
    program = [start.command or [], start.directory or ""]
    series = start.series or ""
    scheduler = start.environment.scheduler or {}
    # The series of a batch job may hold other programs, too; one that the user named holds what he says.
    if series and str(scheduler.get("job_id")) in series:
        series = f"{series} {_hash(program)}"
    return {
        "run_id": start.run_id,
        "host": start.environment.host or "",
        "started": _unix_time(start.started),
        "rank": _known(start.rank),
        "parent_run_id": start.parent_run_id or "",
        "series": series,
        "program": _hash(program) if start.command else "",
        "continues": start.continues is True,
    }


def _identity(excerpt: Excerpt) -> dict[str, str]:
    """Return what a run computed, and on what, by name: as `compare` requires it to be equal."""
    lanes = [lane for number, lane in sorted(excerpt.lanes.items()) if number < KNOWN_CALCULATORS]
    systems = {f"{each.formula or '?'} ({each.n_atoms or '?'} atoms)" for each in lanes}
    drivers = {
        " ".join(str(each) for each in (phase.driver, phase.ensemble, phase.timestep_fs) if each is not UNSET)
        for phase in excerpt.phases.values()
    }
    found = {"system": ", ".join(sorted(systems)), "dynamics": ", ".join(sorted(drivers))}
    for key, named in evidence_of(excerpt).items():
        for name, value in named.items():
            found[key if name == key else f"{key}: {name}"] = value
    return {name: value for name, value in found.items() if value}


def _call_time(excerpt: Excerpt) -> tuple[float | None, int]:
    """Return the median duration of steady calls in ns, and how many of them it is from."""
    if excerpt.slices:
        return _median_of_slices(excerpt)
    usual = [
        row
        for row in excerpt.rows
        if row.parent is None and not row.failure and row.window is None and not row.profiled
    ]
    newest = max((row.index for row in usual), default=0)
    times = [row.wall_ns for row in usual if row.index >= WARM_UP_SHARE * newest]
    enough = len(times) >= FEWEST_CALLS
    return float(np.median(times)) if enough else None, len(times)


def _median_of_slices(excerpt: Excerpt) -> tuple[float | None, int]:
    """Return the median of the calls that a thinned journal has only as histograms, to 1.6 %."""
    counts: dict[int, int] = {}
    for each in excerpt.slices:
        for bucket, number in each.histogram:
            counts[bucket] = counts.get(bucket, 0) + number
    total = sum(counts.values())
    if total < FEWEST_CALLS:
        return None, total
    middles = np.array([bucket_middle(bucket) for bucket in counts])
    return weighted_median(middles, np.array([*counts.values()], np.float64)), total


def _frames(rows: Sequence[Any]) -> str:
    energies: list[float] = []
    for row in rows:
        known = isinstance(row.energy_ev, float) and row.parent is None and not row.failure
        if known and row.energy_ev not in energies:
            energies.append(row.energy_ev)
        if len(energies) == FRAMES:
            break
    first = bool(rows) and rows[0].index == 0
    return _hash(energies) if first and len(energies) >= FEWEST_FRAMES else ""


def _number_of_calls(excerpt: Excerpt) -> int | None:
    if excerpt.end is not None:
        return excerpt.end.counters.calls
    known = [row.index + 1 for row in excerpt.rows]
    if excerpt.counters is not None:
        known.append(excerpt.counters.calls)
    return max(known, default=None)


def _unix_time(text: str) -> float | None:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None


def _known(value: Any) -> Any:
    return None if value is UNSET else value


def _hash(value: Any) -> str:
    return hashlib.blake2b(msgspec.json.encode(value), digest_size=12).hexdigest()
