"""The report on one or many journals, as a document for any renderer."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from instrumented_calc.reporting.document import Document, Facts, Paragraph, Section, Table
from instrumented_calc.reporting.quantities import count, duration, elapsed, figures, plural
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.findings import findings_section
from instrumented_calc.reporting.run.job_groups import group_journals
from instrumented_calc.reporting.run.sections import sections_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.rules.finding import Finding
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.analysis.targets import Outcome
    from instrumented_calc.reporting.run.job_groups import Group


def build_report(
    summaries: Sequence[Summary],
    outcomes: Sequence[list[Outcome]] = (),
    findings: Sequence[list[Finding]] = (),
) -> Document:
    """Return the report.

    Args:
        summaries: One per journal.
        outcomes: The user's targets, checked for each journal; empty without targets.
        findings: Findings for each journal; empty if no rules were run.

    Returns:
        The document: totals of journals that belong together, each journal, the targets.
    """
    sections: list[Section] = []
    judged = {id(summary): found for summary, found in zip(summaries, findings, strict=False)}
    for group in group_journals(summaries):
        if group.name is not None:
            sections.append(_totals(group))
        for summary in group.summaries:
            own = sections_of(summary)
            found = findings_section(judged.get(id(summary), []))
            own[1:1] = [] if found is None else [found]
            if len(summaries) > 1:
                name = identity.one_line(summary.journal.path)
                own = [Section(f"{name}: {section.title}", section.blocks) for section in own]
            sections += own
    if outcomes:
        sections.append(_targets(summaries, outcomes))
    sections.append(_next(summaries))
    names = ", ".join(identity.one_line(each.journal.path.name) for each in summaries[:3])
    more = f" and {len(summaries) - 3} more" if len(summaries) > 3 else ""  # noqa: PLR2004
    return Document(f"Report on {names}{more}", tuple(sections))


def _totals(group: Group) -> Section:
    summaries = group.summaries
    workers = sum(1 for each in summaries if each.journal.parent_run_id)
    cut = sum(1 for each in summaries if identity.state(each.journal).startswith("partial"))
    pairs = [
        ("journals", count(len(summaries)) + (f", {workers} of workers" if workers else "")),
        ("partial", count(cut)),
        ("calculations", count(sum(each.evaluations.calls for each in summaries))),
        ("failed", count(sum(each.evaluations.failed for each in summaries))),
    ]
    if steps := sum(each.speed.steps for each in summaries if each.speed):
        pairs.append(("steps", count(steps)))
    pairs.append(("wall time, summed", elapsed(sum(each.wall_ns or 0 for each in summaries))))
    return Section(f"Together: {identity.one_line(group.name)}", (Facts(tuple(pairs)),))


def _targets(summaries: Sequence[Summary], outcomes: Sequence[list[Outcome]]) -> Section:
    rows = [
        (
            identity.one_line(outcome.target.text),
            identity.one_line(summary.journal.path.name),
            _measured(outcome),
            outcome.verdict,
        )
        for summary, checked in zip(summaries, outcomes, strict=True)
        for outcome in checked
    ]
    met = sum(1 for checked in outcomes for outcome in checked if outcome.verdict == "passed")
    remark = f"{met} of {plural(len(rows), 'target')} met; a target that was not measured is not met."
    headings = ("target", "journal", "measured", "verdict")
    return Section("Targets", (Table(headings, tuple(rows)), Paragraph((remark,))))


def _measured(outcome: Outcome) -> str:
    if outcome.measured is None:
        return "not measured"
    return duration(outcome.measured) if outcome.target.is_time else figures(outcome.measured)


def _next(summaries: Sequence[Summary]) -> Section:
    paths = shlex.join(str(each.journal.path) for each in summaries)
    slow = next((each.latency for each in summaries if each.latency), None)
    if slow is None:
        command = f"instrumented-calc validate {paths}"
    else:
        command = f"instrumented-calc report {paths} --require 'p99/mean<2' --require 'failed==0'"
    return Section("Next", (Paragraph((identity.one_line(command),)),))
