"""The result of a trial as a document, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from instrumented_calc.analysis.trial.gain import HELPS, NOT_SURE
from instrumented_calc.analysis.trial.trial_result import NOT_TRIED
from instrumented_calc.plain_text import plain_json
from instrumented_calc.quantities import count, duration, percentage, plural
from instrumented_calc.reporting.document import Document, Paragraph, Section, Table
from instrumented_calc.reporting.figure import Figure, Point
from instrumented_calc.reporting.run.identity import one_line

if TYPE_CHECKING:
    from instrumented_calc.analysis.trial.trial_result import RemedyOutcome, TrialResult

SCHEMA = "instrumented-calc-trial/1"
HEADINGS = ("remedy", "result", "estimated", "measured", "rounds", "energies", "forces")
NOTHING = "Nothing helps"
# Runs on an idle machine scatter by 3 to 15 %.
NOISY = 0.2


def build_trial(result: TrialResult) -> Document:
    """Return the result as a document.

    Args:
        result: Result of the trial.
    """
    winners = [each for each in result.outcomes if each.helps]
    sections = [Section(headline(result), (Paragraph(setting_words(result)),))]
    sections += [Section(f"Keep {_name(each)}", (Paragraph(_advice(each)),)) for each in winners]
    if result.together is not None:
        sections.append(Section("All of them together", (Paragraph((measured(result.together),)),)))
    if result.outcomes:
        rows = tuple(_row(each) for each in result.outcomes)
        sections.append(Section("Remedies", (Table(HEADINGS, rows),)))
    reasons = tuple(f"{_name(each)}: {one_line(each.why)}" for each in result.outcomes if each.why)
    if reasons:
        sections.append(Section("Out or not tried, and why", (Paragraph(reasons),)))
    return Document(f"Remedies for {result.program}", tuple(sections))


def headline(result: TrialResult) -> str:
    """Return the result in one line."""
    winners = [each for each in result.outcomes if each.helps]
    tried = [each for each in result.outcomes if each.verdict != NOT_TRIED]
    if not tried:
        return f"{NOTHING}: no remedy applies to this program"
    if not winners:
        unsure = [_name(each) for each in result.outcomes if each.verdict == NOT_SURE]
        if unsure:
            return f"Not sure: {', '.join(unsure)}; nothing else helps"
        number = len(tried)
        return f"{NOTHING}: {count(number)} {'remedy' if number == 1 else 'remedies'} tried"
    best = max([*winners, *_combined(result)], key=lambda each: each.gain.value if each.gain else 0.0)
    return f"{_name(best)}: {measured(best)}"


def _combined(result: TrialResult) -> list[RemedyOutcome]:
    return [result.together] if result.together is not None and result.together.helps else []


def measured(outcome: RemedyOutcome) -> str:
    """Return what was estimated and measured of a remedy, and how equal its values are, in one line."""
    parts = []
    if outcome.expected is not None:
        parts.append(f"estimated {outcome.expected.kind} {outcome.expected.speedup:.2f}x")
    if outcome.gain is not None:
        gain = outcome.gain
        parts.append(f"measured {gain.value:.2f}x [{gain.low:.2f}, {gain.high:.2f}]")
    if outcome.verdict != HELPS:
        parts.append(outcome.verdict)
    if outcome.values is not None and outcome.values.verdict == "equal":
        if outcome.values.energy_ev is not None:
            parts.append(f"energies {_equal(outcome.values.energy_ev, 'eV/atom')}")
        if outcome.values.force_ev_a is not None:
            parts.append(f"forces {_equal(outcome.values.force_ev_a, 'eV/A')}")
    return ", ".join(parts)


def _equal(difference: float, unit: str) -> str:
    return f"equal to {difference:.0e} {unit}" if difference else "identical"


def setting_words(result: TrialResult) -> tuple[str, ...]:
    """Return how it was measured, in sentences."""
    runs = (
        f"{count(result.calls)} force calls per run, {duration(result.per_call_ns)} per call as it is;"
        f" {plural(result.runs, 'run')} in {result.seconds:.0f} s, in fresh processes and in random order"
    )
    method = (
        "measured: time from call to call, as it is over with the remedy, in runs made after the search; the"
        " intervals hold at 95 % for all remedies together"
    )
    lines = [runs, method]
    if result.scatter is not None and result.scatter > NOISY:
        lines.append(
            f"the runs as it is scatter by {percentage(result.scatter)}: other programs take the processors,"
            " and what helps may be missed; try again on an idle machine"
        )
    if result.out_of_time:
        lines.append(
            "the time was up before all was decided: give a longer --budget, or name remedies by --only"
        )
    return tuple(lines)


def _advice(outcome: RemedyOutcome) -> tuple[str, ...]:
    return (measured(outcome), *(f"to keep it: {each}" for each in outcome.keep), *outcome.places)


def _row(outcome: RemedyOutcome) -> tuple[str, ...]:
    expected, values, gain = outcome.expected, outcome.values, outcome.gain
    speed = ""
    if gain is not None:
        speed = f"{gain.value:.2f}x [{gain.low:.2f}, {gain.high:.2f}]"
    elif outcome.searched is not None:
        speed = f"{outcome.searched:.2f}x in the search"
    return (
        _name(outcome),
        outcome.verdict,
        "" if expected is None else f"{expected.kind} {expected.speedup:.2f}x",
        speed,
        str(outcome.rounds) if outcome.rounds else "",
        "" if values is None or values.energy_ev is None else f"{values.energy_ev:.0e} eV/atom",
        "" if values is None or values.force_ev_a is None else f"{values.force_ev_a:.0e} eV/A",
    )


def _name(outcome: RemedyOutcome) -> str:
    return " + ".join(outcome.names)


def gain_figure(result: TrialResult) -> Figure:
    """Return the measured gains with their intervals; without points if none was measured."""
    measured_ones = [*result.outcomes, *([] if result.together is None else [result.together])]
    points = tuple(
        Point("speed-up", _name(each), each.gain.value, each.gain.low, each.gain.high)
        for each in measured_ones
        if each.gain is not None
    )
    title = "Measured speed-up, 95 % interval: above 1 is faster"
    return Figure("gains", title, "remedy", "times as fast", points, logarithmic=True, reference=1.0)


def render_trial_json(result: TrialResult) -> str:
    """Return the result as one JSON object, indented, ending with a newline."""
    return plain_json({"schema": SCHEMA, "headline": headline(result), **asdict(result)}) + "\n"
