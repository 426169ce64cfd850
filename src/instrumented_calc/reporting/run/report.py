"""The report on one or many journals, as a document for any renderer."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from instrumented_calc.quantities import count, duration, elapsed, figures, plural
from instrumented_calc.reporting.document import Document, Facts, Paragraph, Section, Table
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.findings import findings_section
from instrumented_calc.reporting.run.job_groups import group_runs
from instrumented_calc.reporting.run.sections import sections_of
from instrumented_calc.reporting.run.soundness import soundness_section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.read_run import ReadRun
    from instrumented_calc.analysis.targets import Outcome
    from instrumented_calc.reporting.run.job_groups import Group

NOT_MEASURED = "not measured"


def build_report(runs: Sequence[ReadRun], *, everything: bool = False) -> Document:
    """Return the report.

    Args:
        runs: One per journal.
        everything: Whether to show each rule that was clear or lacked evidence on a line of its own.

    Returns:
        The document: totals of journals that belong together, each journal, the targets.
    """
    sections: list[Section] = []
    for group in group_runs(runs):
        if group.name is not None:
            sections.append(_totals(group))
        for run in group.runs:
            own = sections_of(run.summary)
            found = findings_section(run.findings, everything=everything)
            own[1:1] = [] if found is None else [found]
            sound = soundness_section(run.summary.soundness)
            own[:0] = [] if sound is None else [sound]
            if len(runs) > 1:
                name = identity.one_line(run.summary.journal.path)
                own = [Section(f"{name}: {section.title}", section.blocks) for section in own]
            sections += own
    if any(run.outcomes for run in runs):
        sections.append(_targets(runs))
    sections.append(_next(runs))
    return Document(report_title(runs), tuple(sections))


def report_title(runs: Sequence[ReadRun]) -> str:
    """Return the title of a report.

    Args:
        runs: One per journal.
    """
    names = ", ".join(_file_name(each) for each in runs[:3])
    more = f" and {len(runs) - 3} more" if len(runs) > 3 else ""  # noqa: PLR2004
    return f"Report on {names}{more}"


def _file_name(run: ReadRun) -> str:
    return identity.one_line(run.summary.journal.path.name)


def _totals(group: Group) -> Section:
    summaries = [each.summary for each in group.runs]
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


def _targets(runs: Sequence[ReadRun]) -> Section:
    rows = [
        (
            identity.one_line(outcome.target.text),
            _file_name(run),
            _value(outcome) or NOT_MEASURED,
            outcome.verdict,
        )
        for run in runs
        for outcome in run.outcomes
    ]
    met = sum(1 for run in runs for outcome in run.outcomes if outcome.verdict == "passed")
    remark = f"{met} of {plural(len(rows), 'target')} met; a target that was not measured is not met."
    headings = ("target", "journal", "measured", "verdict")
    return Section("Targets", (Table(headings, tuple(rows)), Paragraph((remark,))))


def measured_words(outcome: Outcome) -> str:
    """Return `measured 2.04`, or that the target's quantity was not measured."""
    value = _value(outcome)
    return NOT_MEASURED if value is None else f"measured {value}"


def _value(outcome: Outcome) -> str | None:
    if outcome.measured is None:
        return None
    return duration(outcome.measured) if outcome.target.is_time else figures(outcome.measured)


def _next(runs: Sequence[ReadRun]) -> Section:
    paths = shlex.join(str(each.summary.journal.path) for each in runs)
    if not any(each.summary.latency for each in runs):
        command = f"instrumented-calc validate {paths}"
    else:
        command = f"instrumented-calc report {paths} --require 'p99/mean<2' --require 'failed==0'"
    return Section("Next", (Paragraph((identity.one_line(command),)),))
