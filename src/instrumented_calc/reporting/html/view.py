"""What the page shows of each run, ready for the template: words, figures, drawings and tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.course.course import follow
from instrumented_calc.plain_text import plain
from instrumented_calc.quantities import bytes_of, count, duration, elapsed, figures
from instrumented_calc.reporting.html.evidence import evidence_of
from instrumented_calc.reporting.html.flame import Flame, draw_flames
from instrumented_calc.reporting.html.panels import Panel, panels_of
from instrumented_calc.reporting.html.plot_data import plot_data
from instrumented_calc.reporting.run import identity, summary_rows
from instrumented_calc.reporting.run.ending import end_of_run
from instrumented_calc.reporting.run.environment import environment_section
from instrumented_calc.reporting.run.findings import findings_section, saving_words
from instrumented_calc.reporting.run.screen.finding_lines import LABELS, LEAST_SAVING
from instrumented_calc.reporting.run.screen.one_run import opening_rows, what_ran
from instrumented_calc.reporting.run.sections import sections_of
from instrumented_calc.reporting.run.soundness import broken_line, soundness_section
from instrumented_calc.reporting.run.summary_opening import in_short, is_sound, problems_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from instrumented_calc.analysis.read_run import ReadRun
    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.reporting.document import Section

LEAST_WAIT = 0.01  # of the time, from which waiting for a processor is drawn


@dataclass(frozen=True, slots=True)
class MainFigure:
    """A main figure of the run: value, unit and name."""

    value: str
    unit: str
    name: str


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """A finding.

    Attributes:
        severity: `wrong`, `cost` or `info`.
        label: The same in a word.
        rule: The rule.
        headline: What was found.
        remedy: What to do.
        code: Lines to write.
        saving: What it saves; empty: unknown.
        causes: Rules whose findings follow from it.
        evidence: Panel or section with the evidence.
        at: Its position on the axis of the plots; None if it concerns the whole run.
    """

    severity: str
    label: str
    rule: str
    headline: str
    remedy: str
    code: tuple[str, ...]
    saving: str
    causes: str
    evidence: str
    at: int | None


@dataclass(frozen=True, slots=True)
class RunView:
    """One run on the page.

    Attributes:
        anchor: Beginning of its ids.
        name: Its file.
        badge: Colour of the badge: `good`, `warn`, `bad` or `quiet`.
        verdict: Words in it.
        opening: The sentence on the run.
        rows: Label and text: what is wrong, then what ran.
        figures: Its main figures.
        found: Its findings, the worst first.
        flames: Where the time goes, drawn.
        waiting: Percentage of the time that it waited for a processor; empty: little or unknown.
        panels: Plots with their tables.
        sections: Sections of the report with their ids.
        data: What the script draws.
    """

    anchor: str
    name: str
    badge: str
    verdict: str
    opening: str
    rows: tuple[tuple[str, str], ...]
    figures: tuple[MainFigure, ...]
    found: tuple[ShownFinding, ...]
    flames: tuple[Flame, ...]
    waiting: str
    panels: tuple[Panel, ...] = ()
    sections: tuple[tuple[str, Section], ...] = ()
    data: dict[str, Any] = field(default_factory=dict)


def first_screen(run: ReadRun, anchor: str = "run1") -> RunView:
    """Return what a run's first screen shows, without plots and tables.

    Args:
        run: The run.
        anchor: Beginning of its ids.
    """
    summary, findings = run.summary, run.findings
    calculator = summary_rows.calculator_name(summary)
    opening = opening_rows(summary, findings, calculator)
    badge, verdict = _verdict(summary, findings)
    # A broken run's first finding tells the same as its row, and what to do.
    rows = [(each.label, each.text) for each in opening if each.label not in {"", "BROKEN"}]
    rows += [*what_ran(summary), *summary_rows.physics(summary), *summary_rows.memory(summary, findings)]
    wait = summary.processor_wait
    return RunView(
        anchor=anchor,
        name=identity.one_line(summary.journal.path.name),
        badge=badge,
        verdict=verdict,
        opening=next(
            (plain(each.text) for each in opening if not each.label), broken_line(summary.soundness)
        ),
        rows=tuple((label, plain(text)) for label, text in rows if text),
        figures=tuple(_figures(summary)),
        found=tuple(_found(findings, set(), {})),
        flames=tuple(draw_flames(summary, calculator)),
        waiting="" if wait is None or wait < LEAST_WAIT else f"{100 * wait:.1f}",
    )


def whole_view(run: ReadRun, anchor: str, most_bins: int) -> RunView:
    """Return all that the page shows of a run.

    Args:
        run: The run.
        anchor: Beginning of its ids.
        most_bins: Largest number of points of a plot.
    """
    screen = first_screen(run, anchor)
    course = follow(run.summary, run.findings, most_bins)
    panels = panels_of(course)
    taken = {"time", *(each.slug for each in panels)}
    sections = tuple((_slug(each.title, taken), each) for each in _sections(run))
    present = {
        "time" if screen.flames else "",
        *(each.slug for each in panels),
        *(slug for slug, _ in sections),
    }
    pinned = {each.name: each.at for each in course.pins if each.kind == "finding"} if course else {}
    return replace(
        screen,
        found=tuple(_found(run.findings, present, pinned)),
        panels=tuple(panels),
        sections=sections,
        data=plot_data(course, run.summary.latency),
    )


def _verdict(summary: Summary, findings: Sequence[RuleFinding]) -> tuple[str, str]:
    """Return the colour of the badge and its words."""
    problems = problems_of(findings)
    if summary.soundness.ruined:
        return "bad", "Broken"
    if any(each.severity == "wrong" for each in problems):
        return "bad", "Problem found"
    if end_of_run(summary.ending):
        return "warn", "Ended early"
    if problems:
        return "warn", "Could be faster"
    if summary.ending.how == "running":
        return "quiet", "Still open"
    return ("good", "Sound") if is_sound(findings, summary) else ("quiet", "Not judged")


def _figures(summary: Summary) -> Iterator[MainFigure]:
    speed, latency = summary.speed, summary.latency
    if speed is not None:
        if speed.ns_per_day is not None:
            yield MainFigure(figures(speed.ns_per_day), "ns/day", "speed")
        yield _timed(speed.wall_ns / speed.steps, "per step")
        yield MainFigure(count(speed.steps), "", "step" if speed.steps == 1 else "steps")
    elif summary.evaluations.calls:
        yield MainFigure(count(summary.evaluations.calls), "", "calculations")
    if latency is not None:
        yield _timed(latency.median_ns, "median latency")
        yield _timed(latency.p99_ns, "99th percentile")
    if summary.wall_ns is not None:
        yield MainFigure(elapsed(summary.wall_ns), "", "wall time")
    if summary.memory is not None:
        value, _, unit = bytes_of(summary.memory.peak_bytes).partition(" ")
        yield MainFigure(value, unit, "memory at most")


def _timed(time_ns: float, name: str) -> MainFigure:
    value, _, unit = duration(time_ns).partition(" ")
    return MainFigure(value, unit, name)


def _found(
    findings: Sequence[RuleFinding], present: set[str], pinned: dict[str, int]
) -> Iterator[ShownFinding]:
    flagged = [each for each in findings if each.verdict == "flagged"]
    for each in flagged:
        if each.follows_from is None:
            causes = [other.rule for other in flagged if other.follows_from == each.rule]
            large = (each.saving_share or 0) >= LEAST_SAVING
            yield ShownFinding(
                severity=each.severity,
                label=LABELS[each.severity].capitalize(),
                rule=each.rule,
                headline=plain(in_short(each.headline)),
                remedy=plain(each.remedy),
                code=tuple(map(plain, each.code)),
                saving=saving_words(each) if large else "",
                causes=", ".join(causes),
                evidence=evidence_of(each.rule, present),
                at=pinned.get(each.rule),
            )


def _sections(run: ReadRun) -> list[Section]:
    """Return the sections of the text report with everything, and the environment."""
    made = [
        soundness_section(run.summary.soundness),
        findings_section(run.findings, everything=True),
        *sections_of(run.summary),
        environment_section(run.summary.journal),
    ]
    return [each for each in made if each is not None]


def _slug(title: str, taken: set[str]) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    return f"{slug}-figures" if slug in taken else slug
