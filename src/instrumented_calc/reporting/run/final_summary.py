"""The summary printed when a run ends: at most 14 plain lines, each backed by evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.rules.memory import host_growth_of
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.plain_text import plain
from instrumented_calc.quantities import (
    bytes_of,
    count,
    duration,
    elapsed,
    figures,
    percent,
    percents,
    plural,
    time_unit,
)
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.ending import ending_words
from instrumented_calc.reporting.run.findings import flagged_line, unknown_line
from instrumented_calc.reporting.run.places import largest_place
from instrumented_calc.reporting.run.programs import program_words, status_words
from instrumented_calc.reporting.run.soundness import broken_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from instrumented_calc.analysis.memory.reading import Memory
    from instrumented_calc.analysis.rules.finding import Finding
    from instrumented_calc.analysis.summary import Speed, Summary
    from instrumented_calc.analysis.timing.breakdown import Breakdown

MOST_LINES = 14
LABEL_WIDTH = 10
COMPONENTS_SHOWN = 5
PHASES_SHOWN = 3
NOTICES_SHOWN = 2


def closing_summary(path: Path) -> str:
    """Read a journal back and summarise it.

    Args:
        path: The journal of a run that has just ended.

    Raises:
        JournalReadError: If it cannot be read.
    """
    summary = summarize(read_journal(path))
    return closing_text(summary, judge(summary) if summary.evaluations.calls else ())


def closing_text(summary: Summary, findings: Sequence[Finding] = ()) -> str:
    """Return at most 14 lines of plain text about a run.

    Args:
        summary: The run.
        findings: Findings of the rules.
    """
    broken = broken_line(summary.soundness)
    lines = [_labelled("BROKEN", broken)] if broken else []
    lines.append(identity.file_line(summary.journal))
    if subject := _subject(summary):
        lines.append(subject)
    labelled = (
        ("ENDED", _ending(summary)),
        ("speed", _speed(summary)),
        ("calls", _calls(summary)),
        ("slowest", _slowest(summary)),
        ("model", _model(summary.breakdown)),
        ("outside", _outside(summary.breakdown)),
        ("where", largest_place(summary)),
        ("program", "" if summary.programs is None else program_words(summary.programs)),
        ("memory", _memory(summary, findings)),
        ("failed", _failures(summary)),
        ("lost", _losses(summary)),
        ("FLAGGED", flagged_line(findings)),
        ("UNKNOWN", unknown_line(findings)),
        *(("notice", notice) for notice in _notices(summary)),
    )
    lines += [_labelled(label, text) for label, text in labelled if text]
    path = identity.one_line(summary.journal.path)
    lines = [*lines[: MOST_LINES - 1], _labelled("next", f"instrumented-calc report {path}")]
    # Here rather than per field, so that no field can be missed.
    return "\n".join(plain(line) for line in lines)


def _ending(summary: Summary) -> str:
    """Return how the run ended, unless it ended normally."""
    return "" if summary.ending.how == "ended" else identity.one_line(ending_words(summary.ending))


def _labelled(label: str, text: str) -> str:
    return f"{label:<{LABEL_WIDTH}}{text}"


def _subject(summary: Summary) -> str:
    lanes = [each.lane for each in summary.lanes if each.lane is not None]
    if not lanes:
        return ""
    model, *details = identity.model_words(lanes[0])
    words = [model]
    if len(lanes) > 1:
        words.append(f"and {plural(len(lanes) - 1, 'other calculator')}")
    if system := identity.system_words(lanes[0]):
        words.append(system)
    phases = [identity.phase_words(each.phase) for each in summary.phases]
    if phases:
        more = f" (+ {len(phases) - PHASES_SHOWN} more)" if len(phases) > PHASES_SHOWN else ""
        words.append(" -> ".join(phases[:PHASES_SHOWN]) + more)
    return "  ".join([*words, *details])


def _speed(summary: Summary) -> str:
    speed: Speed | None = summary.speed
    if speed is None:
        return ""
    words = [] if speed.ns_per_day is None else [f"{figures(speed.ns_per_day)} ns/day"]
    words += [
        f"{figures(speed.steps_per_s)} steps/s",
        f"{figures(speed.ms_per_step)} ms/step",
        f"{plural(speed.steps, 'step')} in {elapsed(speed.wall_ns)}",
    ]
    return "   ".join(words)


def _calls(summary: Summary) -> str:
    evaluations, latency = summary.evaluations, summary.latency
    words = []
    if latency is not None:
        times = (latency.median_ns, latency.p95_ns, latency.p99_ns)
        size, unit = time_unit(times)
        median, p95, p99 = (figures(time / size) for time in times)
        words.append(f"median {median}  p95 {p95}  p99 {p99} {unit}")
    if latency is not None and latency.cv is not None:
        words[-1] += f"  CV {percent(latency.cv, 0)}"
    if summary.us_per_atom is not None:
        words.append(f"{figures(summary.us_per_atom)} us/atom")
    if evaluations.per_step is not None:
        words.append(f"{evaluations.per_step:.2f} per step")
    else:
        words.append(plural(evaluations.calls, "call"))
    return "   ".join([*words, f"{count(evaluations.failed)} failed"])


def _slowest(summary: Summary) -> str:
    words = []
    if summary.slowest:
        slow = summary.slowest[0]
        where = f"call {count(slow.index)}" if slow.step is None else f"step {count(slow.step)}"
        cause = identity.one_line(slow.cause or "no cause recorded")
        words.append(f"{duration(slow.wall_ns)} at {where} ({cause})")
    if summary.compilation is not None:
        found = summary.compilation
        words.append(
            f"compiling {duration(found.compile_ns)} in {plural(len(found.calls), 'call')}, shown separately"
        )
    if summary.warmup is not None:
        warmup = summary.warmup
        words.append(f"warm-up {plural(warmup.calls, 'call')}, {duration(warmup.wall_ns)}, shown separately")
    return "; ".join(words)


def _shares(breakdown: Breakdown) -> list[tuple[str, str, str]]:
    """Return kind, name and share in percent of each part; the shares add up to 100.0."""
    if not breakdown.wall_ns:
        return []
    shares = percents([part.wall_ns / breakdown.wall_ns for part in breakdown.parts])
    parts = zip(breakdown.parts, shares, strict=True)
    return [(part.kind, identity.one_line(part.name), share) for part, share in parts]


def _model(breakdown: Breakdown | None) -> str:
    if breakdown is None:
        return ""
    inside = [part for part in _shares(breakdown) if part[0] in {"component", "calculator"}]
    shown, rest = inside[:COMPONENTS_SHOWN], inside[COMPONENTS_SHOWN:]
    words = [f"{name} {share} %" for _, name, share in shown]
    if rest:
        words.append(f"rest {sum(float(share) for *_, share in rest):.1f} %")
    if breakdown.concurrency > 1:
        words.append(f"({figures(breakdown.concurrency)} concurrent calls)")
    return "  ".join(words)


def _outside(breakdown: Breakdown | None) -> str:
    if breakdown is None:
        return ""
    parts = [part for part in _shares(breakdown) if part[0] not in {"component", "calculator"}]
    words = [f"{name} {share} %" for _, name, share in parts]
    return "  ".join([*words, "(all rows = 100.0 % of wall)"]) if words else ""


def _memory(summary: Summary, findings: Sequence[Finding]) -> str:
    memory, allocated, reserved = summary.memory, summary.device_allocated, summary.device_reserved
    words = [] if memory is None else [f"host peak {bytes_of(memory.peak_bytes)}"]
    if memory is not None and (growth := _growth(memory, findings)):
        words.append(growth)
    if allocated is not None:
        words.append(f"device peak {bytes_of(allocated.peak_bytes)}")
    if allocated is not None and reserved is not None:
        words[-1] += f" ({bytes_of(reserved.peak_bytes)} reserved)"
    return "   ".join(words)


def _growth(memory: Memory, findings: Sequence[Finding]) -> str:
    """Return the rate of growth, with interval and verdict; empty unless a rule has judged it."""
    found = host_growth_of(findings, memory.per)
    if found is None:
        return ""
    return f"{found.kb:+.1f} kB/{memory.per} [{found.low_kb:.1f}, {found.high_kb:.1f}] {found.verdict}"


def _failures(summary: Summary) -> str:
    classes = [f"{count(n)} x {identity.one_line(name)}" for name, n in summary.failures.items()]
    programs = summary.programs
    if programs is not None and programs.exit_statuses:
        classes.append(f"exit status {status_words(programs)}")
    return ", ".join(classes)


def _losses(summary: Summary) -> str:
    journal = summary.journal
    words = [plural(journal.bad_lines, "unreadable line")] if journal.bad_lines else []
    if journal.counters and journal.counters.lost_rows:
        words.append(plural(journal.counters.lost_rows, "row") + " not written")
    if journal.counters and journal.counters.faults:
        words.append(plural(journal.counters.faults, "internal error") + " of the recorder")
    return ", ".join(words)


def _notices(summary: Summary) -> list[str]:
    warnings = [each for each in summary.journal.notices if each.level == "warning"]
    shown = [identity.one_line(each.text) for each in warnings[:NOTICES_SHOWN]]
    if len(warnings) > NOTICES_SHOWN:
        shown[-1] += f" (+ {len(warnings) - NOTICES_SHOWN} more)"
    return shown
