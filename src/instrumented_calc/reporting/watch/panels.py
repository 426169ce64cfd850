"""The panels below the overview: findings and notices, parts of the recent time, facts about the run."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from instrumented_calc.quantities import bytes_of, duration, elapsed, percent
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from instrumented_calc.analysis.watching.watch_state import WatchState

NOTICES_SHOWN = 20


def all_panels(state: WatchState) -> list[tuple[str, list[str]]]:
    """Return titles and rows."""
    return [
        ("Findings and notices", _findings(state)),
        ("Parts of the recent time", _parts(state)),
        ("About the run", _about(state)),
    ]


def _findings(state: WatchState) -> list[str]:
    rows = [f"{_when(each.time_ns)}  {each.rule}: {each.text}" for each in state.findings]
    known = {each.rule for each in state.findings}
    notices = [each for each in state.notices if each.kind not in known]
    rows += [f"{_when(each.time_ns)}  {each.text}" for each in notices[: -NOTICES_SHOWN - 1 : -1]]
    return rows or ["none so far"]


def _when(time_ns: object) -> str:
    return f"after {elapsed(time_ns)}" if isinstance(time_ns, int) else ""


def _parts(state: WatchState) -> list[str]:
    if state.recent is None or not state.recent.wall_ns:
        return []
    width = max(len(identity.one_line(each.name)) for each in state.recent.parts)
    return [
        f"{identity.one_line(each.name):<{width}}  {percent(each.wall_ns / state.recent.wall_ns):>7}"
        f"  {duration(each.wall_ns):>9}"
        for each in state.recent.parts
    ]


def _about(state: WatchState) -> list[str]:
    if state.start is None:
        return []
    start, environment = state.start, state.start.environment
    facts = [
        ("journal", state.path),
        ("command", shlex.join(start.command) if start.command else ""),
        ("folder", start.directory or ""),
        ("started", f"{start.started}, process {start.pid}"),
        ("machine", " ".join(filter(None, (environment.host or "", environment.cpu or "")))),
        ("memory", bytes_of(environment.memory_bytes) if environment.memory_bytes else ""),
        ("job", " ".join(f"{name} {value}" for name, value in (environment.scheduler or {}).items())),
        ("job ends", environment.job_ends or ""),
        ("software", ", ".join(f"{each.name} {each.version}" for each in (environment.libraries or [])[:8])),
    ]
    return [f"{name:<9} {identity.one_line(value)}" for name, value in facts if value]
