"""The rows of a closing summary after its first lines: what ran, how fast, physics and memory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.rules.memory import host_growth_of
from instrumented_calc.analysis.soundness.drift import FLUCTUATIONS
from instrumented_calc.quantities import bytes_of, count, duration, elapsed, figures, percentage, plural
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.speed_cells import amount_words, rate_words
from instrumented_calc.reporting.run.summary_layout import TEXT_WIDTH, fitting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary

Row = tuple[str, str]

PHASES_SHOWN = 3
LONG_BEFORE_NS, LONG_BEFORE = 5_000_000_000, 0.2  # importing torch and loading a model takes 5 s
FEW_CALLS = 2  # of which none is called the slowest
FEWEST_TEMPERATURES = 5  # for a mean and its spread
# The formula of an element states the number of atoms.
ELEMENT = re.compile(r"^([A-Z][a-z]?[0-9]+) \([0-9]+ atoms\)$")
# Causes of slow calls, in fewer technical terms than those of the report.
CAUSES = {"preempted": "another program had the processor"}


def run_and_speed(summary: Summary) -> Iterator[Row]:
    """Yield what ran, how fast, the slowest call and the time for compilation."""
    lanes = [each.lane for each in summary.lanes if each.lane is not None]
    model, *details = identity.model_words(lanes[0]) if lanes else [""]
    run, amount = _run(summary, model), _amount(summary)
    both = f"{run}, {amount}" if amount else run
    fits = bool(run) and len(both) <= TEXT_WIDTH
    if run:
        yield "run", fitting((both, *details)) if fits else run
    yield from _speed(summary, "" if fits else amount)
    yield from _before(summary)
    if summary.compilation is not None:
        found = summary.compilation
        yield "start", f"compiling took {duration(found.compile_ns)} in {plural(len(found.calls), 'call')}"


def _before(summary: Summary) -> Iterator[Row]:
    """Yield the time before the first calculation, if it is a good part of the program's."""
    start, wall = summary.journal.start, summary.wall_ns
    before = None if start is None else start.before_ns
    if isinstance(before, int) and wall and before > max(LONG_BEFORE_NS, LONG_BEFORE * (before + wall)):
        share = percentage(before / (before + wall))
        yield "before", f"{duration(before)} before the first calculation, {share} of the program's time"


def waiting(findings: Sequence[RuleFinding]) -> Iterator[Row]:
    """Yield how long the run waited for processors that other programs used, if that was found."""
    for each in findings:
        share = each.numbers.get("share_of_wall")
        if each.rule == "contention" and each.verdict == "flagged" and share is not None:
            yield "waited", f"{percentage(share)} of the time for a processor: other programs had them"


def physics(summary: Summary) -> Iterator[Row]:
    """Yield the drift of the energy and the temperature, if they were judged and found right."""
    if summary.soundness.ruined:
        return
    pieces = []
    drift = summary.soundness.of("energy-drift")
    if drift is not None and drift.verdict == "clear" and "mev_per_atom_per_ps" in drift.numbers:
        pieces.append(f"energy drift {_drift(drift.numbers)} meV per atom per ps")
    heat = summary.soundness.of("temperature-off")
    known = heat is not None and heat.verdict == "clear" and "mean_k" in heat.numbers
    if heat is not None and known and (heat.n or 0) >= FEWEST_TEMPERATURES:
        pieces.append(identity.one_line(heat.text.removesuffix(", no target")))
    if pieces:
        yield "physics", fitting(pieces)


def memory(summary: Summary, findings: Sequence[RuleFinding]) -> Iterator[Row]:
    """Yield the largest amount of memory and, if a rule has judged it, whether it grows."""
    host, allocated, reserved = summary.memory, summary.device_allocated, summary.device_reserved
    pieces = []
    if host is not None:
        pieces.append(f"{bytes_of(host.peak_bytes)} at most")
        found = host_growth_of(findings, host.per)
        if found is not None:
            grows = f"growing by {figures(found.kb)} kB per {host.per}"
            pieces.append("steady" if found.verdict == "clear" else grows)
    if allocated is not None:
        cache = "" if reserved is None else f" ({bytes_of(reserved.peak_bytes)} with the allocator's cache)"
        pieces.append(f"GPU {bytes_of(allocated.peak_bytes)} at most{cache}")
    if pieces:
        yield "memory", fitting(pieces)


def calculator_name(summary: Summary) -> str:
    """Return the calculator's name, or "the calculators" if they have several."""
    names = _names(summary)
    if len(names) == 1:
        return names.pop()
    return "the calculators" if names else "the calculator"


def _names(summary: Summary) -> set[str]:
    return {identity.calculator_name(each.lane) for each in summary.lanes if each.lane is not None}


def _drift(numbers: Mapping[str, float]) -> str:
    """Return the rate, or its upper limit if none is seen beyond the fluctuations."""
    low, high = numbers["low"], numbers["high"]
    seen = abs(numbers["change_mev_per_atom"]) > FLUCTUATIONS * numbers["scatter_mev_per_atom"]
    if seen and low * high > 0:
        return figures(numbers["mev_per_atom_per_ps"], signed=True)
    limit = max(abs(low), abs(high))
    return f"under {figures(limit)}" if limit else "0"


def _run(summary: Summary, model: str) -> str:
    """Return the calculators, the structures and the drivers."""
    others = len(summary.lanes) - 1
    if model and others > 0 and len(_names(summary)) == 1:
        model = f"{count(others + 1)} {calculator_name(summary)} calculators"
    elif model and others > 0:
        model = f"{model} and {plural(others, 'other calculator')}"
    subject, phases = " on ".join(filter(None, (model, _structures(summary)))), _phases(summary)
    if phases and len(f"{subject}, {phases}") > TEXT_WIDTH:
        subject = subject.rpartition(" (")[0] or subject  # without the number of atoms
    return fitting((subject, phases))


def _speed(summary: Summary, amount: str) -> Iterator[Row]:
    """Yield the speed with the slowest call, which has a row of its own if the line is too short."""
    speed, slow = fitting((*_rates(summary), amount, _overlap(summary))), _slowest(summary)
    both = f"{speed}, slowest call {slow}"
    if speed and slow and len(both) <= TEXT_WIDTH:
        yield "speed", both
        return
    if speed:
        yield "speed", speed
    if slow:
        yield "slowest", fitting((slow,))


def _structures(summary: Summary) -> str:
    """Return the system, or the range of sizes of different ones."""
    calls = summary.journal.calls
    sizes = np.unique(calls.n_atoms[calls.n_atoms > 0])
    if len(sizes) > 1:
        return f"structures of {count(int(sizes[0]))} to {count(int(sizes[-1]))} atoms"
    other = [number for number, change in enumerate(calls.change_sets) if "numbers" in change]
    lanes = [each.lane for each in summary.lanes if each.lane is not None]
    differ = len({each.formula for each in lanes}) > 1
    if len(sizes) and (differ or int(np.isin(calls.changes, other).sum()) > len(summary.lanes)):
        return f"structures of {plural(int(sizes[0]), 'atom')}"
    system = (identity.system_words(lanes[0]) or "") if lanes else ""
    return ELEMENT.sub(r"\1", system)


def _phases(summary: Summary) -> str:
    phases = [identity.phase_words(each.phase) for each in summary.phases]
    more = f" (+ {len(phases) - PHASES_SHOWN} more)" if len(phases) > PHASES_SHOWN else ""
    return " -> ".join(phases[:PHASES_SHOWN]) + more


def _amount(summary: Summary) -> str:
    """Return how much was computed in how much time."""
    if summary.speed is not None:
        return amount_words(summary.speed)
    calls = summary.evaluations.calls
    if not calls or summary.wall_ns is None:
        return ""
    return f"{plural(calls, 'calculation')} in {elapsed(summary.wall_ns)}"


def _rates(summary: Summary) -> list[str]:
    speed = summary.speed
    if speed is None:
        return [] if summary.latency is None else [f"{duration(summary.latency.median_ns)} per calculation"]
    return rate_words(speed)


def _overlap(summary: Summary) -> str:
    breakdown = summary.breakdown
    if breakdown is None or breakdown.concurrency <= 1:
        return ""
    return f"{figures(breakdown.concurrency)} calculations at a time"


def _slowest(summary: Summary) -> str:
    if not summary.slowest or summary.evaluations.calls <= FEW_CALLS:
        return ""
    slow = summary.slowest[0]
    where = f"calculation {count(slow.index)}" if slow.step is None else f"step {count(slow.step)}"
    cause = identity.one_line(slow.cause or "")
    cause = "garbage collection" if cause.startswith("GC gen") else CAUSES.get(cause, cause)
    return f"{duration(slow.wall_ns)} at {where}{f' ({cause})' if cause else ''}"
