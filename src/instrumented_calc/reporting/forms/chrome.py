"""Journals as one Chrome trace: calls, their components, counters and notices over time.

The journal records how long each component of a call took, but not when it ran. Components are therefore
laid out one after another from the call's start, and labelled so. Real start times are in the traces of
trace windows.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from instrumented_calc.journal.columns import BLOCK_ROWS
from instrumented_calc.plain_text import escaped_json, plain
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from instrumented_calc.journal.columns import Calls
    from instrumented_calc.journal.reader import Journal

LAID_OUT = "component, laid out"
ABOUT = "exclusive times, laid out one after another: their order and start times were not recorded"
NESTED_TRACKS = 1_000_000  # tracks of nested calls, which would otherwise overlap components
US_NS = 1e3
MEMORY = {
    "rss_bytes": "host memory",
    "device_allocated_bytes": "device memory, allocated",
    "device_reserved_bytes": "device memory, reserved",
}
STATE = {
    "temperature_k": ("temperature", "K"),
    "potential_ev": ("potential energy", "eV"),
    "conserved_ev": ("conserved energy", "eV"),
    "volume_a3": ("volume", "A^3"),
}
MOST_LATENCIES = 2_000  # points of the latency, each the mean of as many calls
Event = dict[str, Any]


def render_chrome(journals: Sequence[Journal]) -> str:
    """Return one Chrome trace of journals, each a process in it; Perfetto opens it.

    Args:
        journals: Their clocks are aligned by their start times.
    """
    began = [_started_us(journal) for journal in journals]
    first = min((time for time in began if time is not None), default=0.0)
    blocks = []
    for number, (journal, time) in enumerate(zip(journals, began, strict=True), start=1):
        shift = 0.0 if time is None else time - first
        blocks += [msgspec.json.encode(block)[1:-1] for block in _events(journal, number, shift) if block]
    about = msgspec.json.encode({"made by": "instrumented-calc", "components": ABOUT})
    head = b'{"displayTimeUnit":"ms","otherData":' + about + b',"traceEvents":[\n'
    return escaped_json((head + b",\n".join(blocks) + b"\n]}\n").decode())


def _started_us(journal: Journal) -> float | None:
    if journal.start is None:
        return None
    try:
        # Python 3.10 does not parse the Z
        return datetime.fromisoformat(journal.start.started.replace("Z", "+00:00")).timestamp() * 1e6
    except (ValueError, OverflowError, OSError):  # not a time, or a year out of range
        return None


def _events(journal: Journal, process: int, shift_us: float) -> Iterator[list[Event]]:
    calls = journal.calls
    yield _names(journal, process)
    parents = calls.nested
    for at in range(0, len(calls), BLOCK_ROWS):
        rows = range(at, min(at + BLOCK_ROWS, len(calls)))
        yield [
            event
            for row in rows
            for event in _call_events(calls, row, process, shift_us, nested=bool(parents[row]))
        ]
    for field, name in MEMORY.items():
        sparse = calls.sparse.get(field)
        if sparse is not None:
            places = zip(sparse.rows.tolist(), sparse.values.tolist(), strict=True)
            yield [
                _counter(name, process, _end_us(calls, row) + shift_us, MB=value / 1e6)
                for row, value in places
            ]
    yield list(_states(journal, process, shift_us))
    yield list(_latencies(calls, process, shift_us))
    yield list(_instants(journal, process, shift_us))


def _counter(name: str, process: int, ts: float, **values: float) -> Event:
    return {"ph": "C", "name": name, "pid": process, "ts": ts, "args": values}


def _states(journal: Journal, process: int, shift_us: float) -> Iterator[Event]:
    """Yield the state of the simulation at the end of the calls that it was read after."""
    calls = journal.calls
    if not len(calls):
        return
    order = np.argsort(calls.index, kind="stable")
    indices = calls.index[order]
    for state in journal.states:
        place = int(np.searchsorted(indices, state.index, side="right")) - 1
        if place < 0:
            continue
        ts = _end_us(calls, int(order[place])) + shift_us
        for field, (name, unit) in STATE.items():
            value = getattr(state, field)
            if isinstance(value, float) and math.isfinite(value):
                yield _counter(name, process, ts, **{unit: value})


def _latencies(calls: Calls, process: int, shift_us: float) -> Iterator[Event]:
    """Yield the mean duration of successive groups of outermost calls."""
    rows = np.flatnonzero(~calls.nested)
    for group in np.array_split(rows, min(len(rows), MOST_LATENCIES)) if len(rows) else ():
        mean = float(calls.wall_ns[group].mean(dtype=np.float64)) / 1e6
        yield _counter("latency", process, _end_us(calls, int(group[-1])) + shift_us, ms=mean)


def _names(journal: Journal, process: int) -> list[Event]:
    name = plain(f"{journal.path.name} {journal.environment.host or ''}".strip())
    names: list[Event] = [
        {"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": name}}
    ]
    nested = set(journal.calls.lane[journal.calls.nested].tolist())
    for number in sorted({*journal.lanes, *nested, *journal.calls.lane[:1].tolist()}):
        lane = journal.lanes.get(number)
        words = identity.model_words(lane)[0] if lane is not None else "calculator"
        tracks = [(number, f"{number} {words}")]
        if number in nested:
            tracks.append((NESTED_TRACKS + number, f"{number} {words}, inside other calls"))
        names += [
            {"ph": "M", "name": "thread_name", "pid": process, "tid": track, "args": {"name": text}}
            for track, text in tracks
        ]
    return names


def _call_events(calls: Calls, row: int, process: int, shift_us: float, *, nested: bool) -> Iterator[Event]:
    lane = int(calls.lane[row])
    place = {"ph": "X", "pid": process, "tid": NESTED_TRACKS + lane if nested else lane}
    start = int(calls.start_ns[row])
    about = {"index": int(calls.index[row])}
    for field in ("step", "n_atoms"):
        value = int(getattr(calls, field)[row])
        if value >= 0:
            about[field] = value
    yield {
        **place,
        "name": "calculate",
        "cat": "call",
        "ts": start / US_NS + shift_us,
        "dur": int(calls.wall_ns[row]) / US_NS,
        "args": about,
    }
    if not calls.split[row]:
        return
    for name, column in calls.components.items():
        time = int(column[row])
        if time > 0:
            ts = start / US_NS + shift_us
            yield {**place, "name": name, "cat": LAID_OUT, "ts": ts, "dur": time / US_NS}
            start += time


def _end_us(calls: Calls, row: int) -> float:
    return (int(calls.start_ns[row]) + int(calls.wall_ns[row])) / US_NS


def _instants(journal: Journal, process: int, shift_us: float) -> Iterator[Event]:
    seen = [(each.time_ns, each.kind, each.text) for each in journal.notices if isinstance(each.time_ns, int)]
    seen += [
        (each.start_ns, f"trace window {each.window}", str(each.file or "without a file"))
        for each in journal.traces
    ]
    for time, name, text in seen:
        yield {
            "ph": "i",
            "s": "p",
            "name": name,
            "pid": process,
            "tid": 0,
            "ts": time / US_NS + shift_us,
            "args": {"text": text},
        }
