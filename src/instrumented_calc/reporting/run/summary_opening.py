"""The first lines of a closing summary: what is wrong and how the run ended, or that nothing is wrong."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from instrumented_calc.quantities import count, percentage, plural
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.ending import end_of_run
from instrumented_calc.reporting.run.programs import status_words
from instrumented_calc.reporting.run.soundness import broken_line
from instrumented_calc.reporting.run.summary_layout import wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.reporting.run.time_bar import TimeBar

FINDINGS_SHOWN = 2
LONGEST_PROBLEM = 170  # characters, so that there is room for what to do
NOTICES_SHOWN = 2
ENOUGH_CALLS = 10  # fewer say little about a run
LABELS = {"wrong": "PROBLEM", "cost": "SLOW"}
INTERVAL = re.compile(r" \[[^\[\]]*\]")


def opening_lines(summary: Summary, findings: Sequence[RuleFinding], drawn: TimeBar | None) -> list[str]:
    """Return what is wrong, then how the run ended; of a sound run one sentence.

    Args:
        summary: The run.
        findings: Findings of the rules, in display order.
        drawn: Where the time went; None if it was not measured.
    """
    lines = [*_findings(summary, findings), *_ending(summary)]
    flaws = flaw_rows(summary, findings)
    if not lines:
        lines = wrapped("", sentence(summary, findings, drawn, flawed=bool(flaws)))
    elif words := open_words(summary):
        lines += wrapped("open", words)
    return [*lines, *(line for label, text in flaws for line in wrapped(label, text, most=2))]


def is_sound(findings: Sequence[RuleFinding], summary: Summary) -> bool:
    """Return whether enough calls were judged, in their results and their time, and nothing is wrong.

    Args:
        findings: Findings of the rules.
        summary: The run.
    """
    finite = summary.soundness.of("non-finite")
    judged = any(each.verdict == "clear" and each.severity == "cost" for each in findings)
    judged = judged and summary.evaluations.calls >= ENOUGH_CALLS
    # What was seen and not judged, such as the drift under a bias, is not called sound either.
    judged = judged and not any(each.verdict == "flagged" for each in summary.soundness.checks)
    return judged and finite is not None and finite.verdict == "clear" and not problems_of(findings)


def _findings(summary: Summary, findings: Sequence[RuleFinding]) -> list[str]:
    ruined = [each.name for each in summary.soundness.ruined]
    problems = problems_of(findings)
    lines = []
    if ruined:
        remedies = [each.remedy for each in problems if each.rule == ruined[0]]
        lines = wrapped("BROKEN", " ".join([broken_line(summary.soundness), *remedies]), most=4)
        problems = [each for each in problems if each.rule not in ruined]
    for each in problems[:FINDINGS_SHOWN]:
        lines += wrapped(LABELS[each.severity], _advice(each), most=5)
    if hidden := len(problems) - FINDINGS_SHOWN:
        lines += wrapped("also", f"{plural(hidden, 'other finding')} in the report") if hidden > 0 else []
    seen = [each for each in summary.soundness.checks if each.verdict == "flagged" and not each.ruins]
    return [*lines, *(line for each in seen for line in wrapped("LOOK AT", identity.one_line(each.text)))]


def problems_of(findings: Sequence[RuleFinding]) -> list[RuleFinding]:
    """Return what is wrong or costs time, without what follows from it."""
    flagged = [each for each in findings if each.verdict == "flagged" and each.follows_from is None]
    return [each for each in flagged if each.severity != "info"]


def in_short(text: str) -> str:
    """Return a text without intervals, in fewer technical terms."""
    plainer = INTERVAL.sub("", identity.one_line(text))
    return plainer.replace("host memory", "memory").replace("grows by +", "grows by ")


def _advice(finding: RuleFinding) -> str:
    """Return what is wrong, what to do and what it saves; intervals and code are left to the report."""
    whole = in_short(finding.headline).rstrip(".")
    problem = textwrap.shorten(whole, LONGEST_PROBLEM, placeholder=" ..")
    remedy = "The report has the code to write instead." if finding.code else finding.remedy
    words = f"{problem}. {remedy}"
    if not finding.saving_share or finding.saving_kind is None:
        return words
    return f"{words} Saves {finding.saving_kind} {percentage(finding.saving_share)} of the time."


def _ending(summary: Summary) -> list[str]:
    return wrapped("ENDED", identity.one_line(end_of_run(summary.ending)))


def open_words(summary: Summary) -> str:
    """Return that a run has not ended and how many calls it has made; empty if it has."""
    if summary.ending.how != "running":
        return ""
    return f"the run has not ended; {plural(summary.evaluations.calls, 'calculation')} so far"


def flaw_rows(summary: Summary, findings: Sequence[RuleFinding]) -> list[tuple[str, str]]:
    """Return failed calls, lost records and warnings: a label and a text each.

    Args:
        summary: The run.
        findings: Findings of the rules; warnings that one of them repeats are left out.
    """
    rows = [("failed", _failures(summary)), ("lost", _losses(summary))]
    rows += [("notice", text) for text in _notices(summary, findings)]
    return [(label, text) for label, text in rows if text]


def _failures(summary: Summary) -> str:
    failures, failed = summary.failures, summary.evaluations.failed
    if failed == 1 and summary.ending.failure in failures and summary.programs is None:
        return ""  # the end of the run states it
    classes = [f"{count(n)} x {identity.one_line(name)}" for name, n in failures.items()]
    programs = summary.programs
    if programs is not None and programs.exit_statuses:
        classes.append(f"exit status {status_words(programs)}")
    return f"{plural(failed, 'call')}: {', '.join(classes)}" if classes else ""


def _losses(summary: Summary) -> str:
    journal = summary.journal
    words = [plural(journal.bad_lines, "unreadable line")] if journal.bad_lines else []
    if journal.counters and journal.counters.lost_rows:
        words.append(f"{plural(journal.counters.lost_rows, 'call')} not written")
    if journal.counters and journal.counters.faults:
        words.append(f"{plural(journal.counters.faults, 'internal error')} of instrumented-calc")
    return ", ".join(words)


def _notices(summary: Summary, findings: Sequence[RuleFinding]) -> list[str]:
    """Return the warnings of the run, except those that a finding repeats."""
    found = {each.rule for each in findings if each.verdict == "flagged"}
    notices = summary.journal.notices
    warnings = [each for each in notices if each.level == "warning" and each.kind not in found]
    shown = [in_short(each.text) for each in warnings[:NOTICES_SHOWN]]
    if len(warnings) > NOTICES_SHOWN:
        shown[-1] += f" (+ {len(warnings) - NOTICES_SHOWN} more)"
    return shown


def sentence(
    summary: Summary, findings: Sequence[RuleFinding], drawn: TimeBar | None, *, flawed: bool
) -> str:
    """Return who takes the time and, where enough was judged, that nothing is wrong.

    Args:
        summary: The run.
        findings: Findings of the rules.
        drawn: Where the time went; None if it was not measured.
        flawed: Whether calls failed, records are lost or a warning was given.
    """
    time = where_the_time_goes(summary, drawn)
    so_far = " so far" if summary.ending.how == "running" else ""
    still_open = " (the run is open)" if so_far else ""
    if flawed or not is_sound(findings, summary):
        return f"{time}{so_far}{still_open}."
    return f"{time}; nothing is wrong{so_far}{still_open}."


def where_the_time_goes(summary: Summary, drawn: TimeBar | None) -> str:
    """Return who takes most of the time: the calculator, the driver, the observers or the script."""
    if drawn is None:
        return "The time was not measured" if summary.evaluations.calls else "No calls were recorded"
    name, percent = max(drawn.outside.items(), key=lambda item: item[1], default=("", 0))
    if percent <= drawn.calculator:
        stepping = bool(summary.phases) and summary.programs is None
        return f"The {'potential' if stepping else 'calculator'} takes {drawn.calculator} % of the time"
    subject = name.capitalize() if name.startswith("your ") else f"The {name}"
    return f"{subject} {'take' if name.endswith('s') or ' and ' in name else 'takes'} {percent} % of the time"
