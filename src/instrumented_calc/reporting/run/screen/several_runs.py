"""The screen about several journals: workers of a pool, ranks, parts of a requeued job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules.catalogue import FIRST
from instrumented_calc.analysis.systems import measure_systems
from instrumented_calc.quantities import count, duration, elapsed, plural
from instrumented_calc.reporting.document import Table
from instrumented_calc.reporting.forms.text import table_lines
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.ending import REASONS
from instrumented_calc.reporting.run.job_groups import group_runs
from instrumented_calc.reporting.run.screen.finding_lines import FoundIn, finding_lines
from instrumented_calc.reporting.run.screen.tables import systems_lines
from instrumented_calc.reporting.run.soundness import broken_line
from instrumented_calc.reporting.run.speed_cells import ns_per_day_cell, steps_cell
from instrumented_calc.reporting.run.summary_layout import wrapped
from instrumented_calc.reporting.run.summary_opening import problems_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.read_run import ReadRun
    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary

JOURNALS_SHOWN = 12
BROKEN_SHOWN = 3
FINDINGS_LINES = 18
LONGEST_NAME = 30


def journals_blocks(runs: Sequence[ReadRun], width: int) -> list[list[str]]:
    """Return the blocks of lines, which belong below each other with an empty line between them.

    Args:
        runs: One per journal.
        width: Columns of a line.
    """
    ordered = [run for group in group_runs(runs) for run in group.runs]
    return [
        _opening(ordered, width),
        finding_lines(_merged(ordered), width, FINDINGS_LINES),
        table_lines(_journals(ordered)),
        systems_lines(measure_systems([run.summary.journal for run in ordered])),
    ]


def _opening(runs: Sequence[ReadRun], width: int) -> list[str]:
    """Return the totals, what the journals have in common, and which simulations are not sound."""
    summaries = [run.summary for run in runs]
    calls = sum(each.evaluations.calls for each in summaries)
    failed = sum(each.evaluations.failed for each in summaries)
    workers = sum(1 for each in summaries if each.journal.parent_run_id)
    ranks = len(
        {start.rank for each in summaries if (start := each.journal.start) and start.rank is not None}
    )
    words = [plural(len(runs), "journal") + (f", {workers} of workers" if workers else "")]
    words[0] += f", {ranks} MPI ranks" if ranks > 1 else ""
    words.append(f"{plural(calls, 'calculation')}{f', {count(failed)} failed' if failed else ''}")
    words.append(f"{elapsed(sum(each.wall_ns or 0 for each in summaries))} in sum")
    wrong = sum(1 for run in runs if problems_of(run.findings))
    words.append(f"something is wrong or slow in {count(wrong)}" if wrong else "no problem was found")
    lines = wrapped("", f"{'; '.join(words)}.", width=width)
    for group in group_runs(runs):
        if group.name is not None:
            text = f"{identity.one_line(group.name)}, {plural(len(group.runs), 'journal')}"
            lines += wrapped("together", text, most=1, width=width)
    broken = [(run.summary, broken_line(run.summary.soundness)) for run in runs]
    for summary, text in [pair for pair in broken if pair[1]][:BROKEN_SHOWN]:
        lines += wrapped("BROKEN", f"{_name(summary)}: {text}", width=width)
    return lines


def _merged(runs: Sequence[ReadRun]) -> list[FoundIn]:
    """Return each flagged rule once, with its most expensive finding and the journals that have one."""
    by_rule: dict[str, list[tuple[RuleFinding, str]]] = {}
    for run in runs:
        ruined = {each.name for each in run.summary.soundness.ruined}
        for each in run.findings:
            if each.verdict == "flagged" and each.follows_from is None and each.rule not in ruined:
                by_rule.setdefault(each.rule, []).append((each, _name(run.summary)))
    merged = []
    for found in by_rule.values():
        worst, where = min(found, key=lambda pair: _rank(pair[0]))
        others = f" and {plural(len(found) - 1, 'other journal')}" if len(found) > 1 else ""
        every = len(found) == len(runs)
        merged.append(FoundIn(worst, f"all journals, these figures: {where}" if every else where + others))
    return sorted(merged, key=lambda each: _rank(each.finding))


def _rank(finding: RuleFinding) -> tuple[int, float]:
    return FIRST[finding.severity], -(finding.counted_share or 0.0)


def _journals(runs: Sequence[ReadRun]) -> Table:
    shown = runs if len(runs) <= JOURNALS_SHOWN else runs[: JOURNALS_SHOWN - 1]
    rows = [_journal(run.summary) for run in shown]
    if rest := runs[len(shown) :]:
        calls = sum(run.summary.evaluations.calls for run in rest)
        wall = sum(run.summary.wall_ns or 0 for run in rest)
        rows.append((f"{count(len(rest))} others", count(calls), "-", elapsed(wall), "-", "-", "-"))
    headings = ("Journals", "calculations", "steps", "time", "per step", "ns/day", "ended")
    return Table(headings, tuple(rows))


def _journal(summary: Summary) -> tuple[str, ...]:
    speed, latency = summary.speed, summary.latency
    if speed is not None:
        pace = duration(speed.wall_ns / speed.steps)
    else:
        pace = "-" if latency is None else f"{duration(latency.median_ns)}/call"
    return (
        _name(summary),
        count(summary.evaluations.calls),
        steps_cell(speed),
        "-" if summary.wall_ns is None else elapsed(summary.wall_ns),
        pace,
        ns_per_day_cell(speed),
        _ended(summary),
    )


def _ended(summary: Summary) -> str:
    ending = summary.ending
    if ending.failure is not None:
        return identity.one_line(ending.failure)
    if ending.how == "ended":
        return "normally" if ending.reason in REASONS else identity.one_line(ending.reason or "?")
    return {"pool": "with its pool", "running": "still running"}.get(ending.how, "killed")


def _name(summary: Summary) -> str:
    name = identity.one_line(summary.journal.path.name)
    return name if len(name) <= LONGEST_NAME else f"...{name[3 - LONGEST_NAME :]}"
