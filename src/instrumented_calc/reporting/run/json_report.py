"""A report for machines: units in the names, null for values that were not measured."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.systems import measure_systems
from instrumented_calc.plain_text import plain_json, shown_path
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.ending import ending_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.contractions.contractions import ContractionTotals
    from instrumented_calc.analysis.programs import ProgramUse
    from instrumented_calc.analysis.read_run import ReadRun
    from instrumented_calc.analysis.summary import Speed, Summary
    from instrumented_calc.analysis.targets import Outcome
    from instrumented_calc.analysis.timing.latency import Latency
    from instrumented_calc.analysis.timing.time_shares import Breakdown

SCHEMA = "instrumented-calc-report/1"


def render_json(runs: Sequence[ReadRun]) -> str:
    """Return the report as one JSON object, indented, ending with a newline.

    Args:
        runs: One per journal.
    """
    document = {
        "schema": SCHEMA,
        "journals": [
            {
                **_journal(each.summary),
                "findings": list(each.findings),
                "targets": [_outcome(one) for one in each.outcomes],
            }
            for each in runs
        ],
    }
    return plain_json(document) + "\n"


def _journal(summary: Summary) -> dict[str, Any]:
    journal = summary.journal
    return {
        "file": shown_path(journal.path),
        "state": identity.state(journal),
        "soundness": {"sound": not summary.soundness.ruined, "checks": summary.soundness.checks},
        "ending": {"text": ending_words(summary.ending), **_fields(summary.ending)},
        "size_bytes": journal.size_bytes,
        "torn": journal.torn,
        "bad_lines": journal.bad_lines,
        "unknown_events": journal.unknown_events,
        "run": journal.start,
        "counters": journal.counters,
        "notices": journal.notices,
        "wall_ns": summary.wall_ns,
        "speed": _speed(summary.speed),
        "us_per_atom": summary.us_per_atom,
        "latency": _latency(summary.latency),
        "warmup": summary.warmup,
        "slowest": summary.slowest,
        "breakdown": _breakdown(summary.breakdown),
        "spread_per_call": summary.spread,
        "katom_steps_per_s": summary.katom_steps_per_s,
        "phases": [
            {
                "phase": each.phase,
                "calls": each.calls,
                "wall_ns": each.wall_ns,
                "speed": _speed(each.speed),
                "latency": _latency(each.latency),
                "breakdown": _breakdown(each.breakdown),
            }
            for each in summary.phases
        ],
        "lanes": summary.lanes,
        "systems": measure_systems([journal]),
        "evaluations": summary.evaluations,
        "failures": summary.failures,
        "compilation": summary.compilation,
        "device": summary.device,
        "counts": summary.counts,
        "traces": journal.traces,
        "places": summary.places,
        "observers": summary.observers,
        "step_functions": summary.step_functions,
        "contractions": _contractions(summary.contractions),
        "gemms": summary.gemms,
        "conservation": summary.conservation,
        "conversions": summary.conversions,
        "memory": summary.memory,
        "device_memory_allocated": summary.device_allocated,
        "device_memory_reserved": summary.device_reserved,
        "cpu_per_wall": summary.cpu_per_wall,
        "processor_wait": summary.processor_wait,
        "programs": _programs(summary.programs),
    }


def _programs(programs: ProgramUse | None) -> dict[str, Any] | None:
    return None if programs is None else {**_fields(programs), "processors_busy": programs.busy}


def _fields(record: Any) -> dict[str, Any]:
    return {each.name: getattr(record, each.name) for each in fields(record)}


def _speed(speed: Speed | None) -> dict[str, Any] | None:
    if speed is None:
        return None
    return {
        "steps": speed.steps,
        "wall_ns": speed.wall_ns,
        "ms_per_step": speed.ms_per_step,
        "steps_per_s": speed.steps_per_s,
        "ns_per_day": speed.ns_per_day,
    }


def _latency(latency: Latency | None) -> dict[str, Any] | None:
    if latency is None:
        return None
    plain = {field.name: getattr(latency, field.name) for field in fields(latency)}
    ratios = {"cv": latency.cv, "p95_over_mean": latency.p95_over_mean}
    return {**plain, **ratios, "p99_over_mean": latency.p99_over_mean}


def _breakdown(breakdown: Breakdown | None) -> dict[str, Any] | None:
    if breakdown is None:
        return None
    plain = {field.name: getattr(breakdown, field.name) for field in fields(breakdown)}
    return {**plain, "groups_ns": breakdown.groups}


def _contractions(found: ContractionTotals | None) -> dict[str, Any] | None:
    if found is None:
        return None
    rows = [
        {
            **{part.name: getattr(row, part.name) for part in fields(row)},
            "exact": row.exact,
            "ceiling": row.ceiling,
            "flops": row.flops,
            "macs": row.macs,
            "gflops": row.gflops,
        }
        for row in found.rows
    ]
    return {"calculated_ns": found.calculated_ns, "steps": found.steps, "share": found.share, "rows": rows}


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "target": outcome.target.text,
        "measured": outcome.measured,
        "verdict": outcome.verdict,
    }
