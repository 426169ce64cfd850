"""The state of a run as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.plain_text import plain_json
from instrumented_calc.reporting.watch import words

if TYPE_CHECKING:
    from instrumented_calc.analysis.watching.watch_state import WatchState

# Of the records that the state holds, these fields are shown.
SHOWN = {
    "start": ("run_id", "started", "pid", "version", "directory", "series"),
    "phase": ("phase", "driver", "kind", "ensemble", "timestep_fs"),
}


def render_watch_json(state: WatchState) -> str:
    """Return the state as one JSON object; keys of what is not known are absent."""
    found: dict[str, Any] = {
        name: getattr(state, name)
        for name in (
            *("path", "life", "at", "elapsed_s", "silent_s", "calls", "failed", "step", "until_step"),
            *("ns_per_day_now", "ns_per_day_mean", "latency_line", "memory_line", "unread"),
        )
    }
    found |= {
        name: asdict(value)
        for name in ("pace", "forecast", "physics", "memory", "latency", "ending")
        if (value := getattr(state, name)) is not None
    }
    for name, fields in SHOWN.items():
        record = getattr(state, name)
        if record is not None:
            known = msgspec.to_builtins(record)
            found[name] = {field: known[field] for field in fields if field in known}
    if state.start is not None:
        environment = msgspec.to_builtins(state.start.environment)
        found["machine"] = {
            field: environment[field] for field in ("host", "scheduler", "job_ends") if field in environment
        }
    if state.recent is not None:
        parts = [{"name": each.name, "kind": each.kind, "ns": each.wall_ns} for each in state.recent.parts]
        found["recent_time"] = {"wall_ns": state.recent.wall_ns, "parts": parts}
    found["findings"] = [
        {"rule": each.rule, "text": each.text, "time_ns": each.time_ns} for each in state.findings
    ]
    found["words"] = {"state": words.state_word(state).lower(), "detail": words.what_happens(state)}
    return plain_json(_known(found)) + "\n"


def _known(value: Any) -> Any:
    """Return a value without what is unknown; infinite numbers are unknown in JSON."""
    if isinstance(value, dict):
        return {name: _known(each) for name, each in value.items() if _is_known(each)}
    if isinstance(value, (list, tuple)):
        return [_known(each) if _is_known(each) else None for each in value]
    return value


def _is_known(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))
