"""A comparison as a document, and as JSON for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.comparison.comparison import NOT_SURE
from instrumented_calc.analysis.comparison.decision import one_side_first
from instrumented_calc.analysis.comparison.noise import noise_of
from instrumented_calc.plain_text import plain_json
from instrumented_calc.quantities import NOT_MEASURED, bytes_of, figures, percentage, plural, time_unit
from instrumented_calc.reporting.document import Document, Facts, Paragraph, Section, Table
from instrumented_calc.reporting.run.identity import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.changes import ContractionChange, FindingChange, MemoryChange
    from instrumented_calc.analysis.comparison.comparison import Comparison
    from instrumented_calc.analysis.comparison.forces import ForceCheck
    from instrumented_calc.analysis.comparison.measured_run import MeasuredRun
    from instrumented_calc.analysis.comparison.noise import Noise
    from instrumented_calc.analysis.comparison.speed_limits import SpeedLimit
    from instrumented_calc.analysis.statistics.ratio import Ratio
    from instrumented_calc.analysis.statistics.student_t import Estimate

SCHEMA = "instrumented-calc-comparison/1"
CONTRACTIONS_SHOWN = 10
COMPONENTS_SHOWN = 20
ONE_SIDE_FIRST = (
    "caution: all runs of one side were made before all runs of the other, so a change of the machine would"
    " look like a change of the code; alternate them, as `gate` does"
)


def build_comparison(
    comparison: Comparison,
    contractions: Sequence[ContractionChange] = (),
    memory: Sequence[MemoryChange] = (),
    findings: Sequence[FindingChange] = (),
    limits: Sequence[SpeedLimit] = (),
) -> Document:
    """Return the comparison as a document.

    Args:
        comparison: Result of the comparison.
        contractions: Contractions of both sides.
        memory: Peaks of both sides.
        findings: Findings that appeared or disappeared.
        limits: The users' limits.
    """
    found = [
        Section("Verdict", (Paragraph(tuple(verdict_lines(comparison))),)),
        _limits(comparison, limits),
        _gates(comparison),
        _times(comparison),
        _components(comparison),
        _contractions(contractions),
        _memory(memory),
        _findings(findings),
    ]
    sides = (_names(comparison.before), _names(comparison.after))
    return Document(f"Comparison of {sides[0]} with {sides[1]}", tuple(each for each in found if each))


def _names(runs: Sequence[MeasuredRun]) -> str:
    names = [one_line(each.name) for each in runs]
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")  # noqa: PLR2004


def verdict_lines(comparison: Comparison) -> list[str]:
    """Return the verdict with its evidence, or the reason why there is none."""
    if comparison.obstacles:
        lines = ["not comparable: no verdict on speed"]
        return lines + [f"{each.rule}: {one_line(each.text)}" for each in comparison.obstacles]
    lines = [_spoken(comparison), comparison.why]
    if one_side_first(comparison.before, comparison.after):
        lines.append(ONE_SIDE_FIRST)
    under_test = sorted({each.key for each in comparison.unequal})
    if under_test:
        lines.append(f"under test: {', '.join(under_test)}")
    return lines


def _spoken(comparison: Comparison) -> str:
    ratio = comparison.median
    interval = ratio.interval if ratio else None
    if interval is None or comparison.verdict is None:
        return str(comparison.verdict)
    times = f"time per call x {_estimate(interval)}"
    if comparison.verdict == NOT_SURE:
        return f"not sure: {times} on these two runs only"
    if comparison.verdict == "not distinguishable":
        return f"not distinguishable: {times} contains 1"
    return f"{comparison.verdict}: {times}, that is {_as_speed(comparison.verdict, interval)}"


def _as_speed(verdict: str, interval: Estimate) -> str:
    if verdict == "slower":
        low, high = (100 * (each - 1) for each in (interval.low, interval.high))
        return f"{figures(100 * (interval.value - 1))} % slower [{figures(low)}, {figures(high)}]"
    low, high = 1 / interval.high, 1 / interval.low
    return f"a speed-up of {figures(1 / interval.value)}x [{figures(low)}, {figures(high)}]"


def _estimate(interval: Estimate) -> str:
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _limits(comparison: Comparison, limits: Sequence[SpeedLimit]) -> Section | None:
    if not limits:
        return None
    return Section("Limits", (Paragraph(tuple(limit_line(comparison, each) for each in limits)),))


def limit_line(comparison: Comparison, limit: SpeedLimit) -> str:
    """Return the outcome of a user's limit."""
    if not comparison.comparable:
        return f"{limit.text}: not checked, the runs are not comparable"
    interval = comparison.deciding
    state = limit.check(interval)
    if interval is None:
        return f"{limit.text}: not sure: {comparison.why}"
    words = {
        "met": "met: the whole interval is within the limit",
        "broken": "BROKEN: the whole interval is outside the limit",
        "not sure": f"not sure: the interval contains the limit; {_wanted(comparison, limit)}",
    }
    return f"{limit.text}: {words[state]} (time per call x {_estimate(interval)}, allowed {limit.most:.4g})"


def _wanted(comparison: Comparison, limit: SpeedLimit) -> str:
    """Return what would decide a limit: more runs, if the scatter of these allows to estimate how many."""
    noise = noise_of(comparison.before) or noise_of(comparison.after)
    if noise is None or limit.most <= 1:
        return "replicates would narrow it"
    fewest = min(len(comparison.before), len(comparison.after))
    if noise.floor(max(fewest, 2)) <= limit.most - 1:
        return "more replicates would narrow it"
    scatter = percentage(noise.scatter)
    return f"untestable with these runs, which scatter by {scatter}: {runs_wanted(noise, limit)}"


def runs_wanted(noise: Noise, limit: SpeedLimit) -> str:
    """Return how many runs a limit needs."""
    needed = noise.runs_needed(abs(limit.most - 1))
    return f"{'over 1,000' if needed is None else needed} on each side are needed"


def _gates(comparison: Comparison) -> Section:
    values = comparison.values
    if values.verdict == "equal":
        energies = (
            f"equal in {plural(values.frames, 'common frame')}, within {values.tolerance_ev:g} eV per atom"
        )
        energies += f" (largest difference {values.largest_ev or 0.0:.2g})"
    elif values.verdict == "differ":
        size = "" if values.difference_ev is None else f" by {values.difference_ev:.2g} eV per atom"
        energies = f"DIFFER{size} after {plural(values.frames, 'equal frame')}"
    else:
        energies = "not checked"
    pairs = [("energies", f"{energies}; {values.why}" if values.why else energies)]
    pairs.append(("forces", _forces(comparison.forces)))
    known = all(run.summary is not None for run in (*comparison.before, *comparison.after))
    if not known:
        pairs.append(("machine", "not checked: a result file states only its device"))
    elif not comparison.unequal:
        pairs.append(("machine", "equal where known"))
    for each in comparison.unequal:
        sides = [" and ".join(side) or "unknown" for side in (each.before, each.after)]
        state = "under test" if each.allowed else "UNEQUAL"
        pairs.append((each.key, one_line(f"{each.name}: {sides[0]} -> {sides[1]}, {state}")))
    return Section("Equal except for the keys under test", (Facts(tuple(pairs)),))


def _forces(forces: ForceCheck) -> str:
    if forces.verdict == "not checked":
        return "not checked: no common frame at which the journals describe them"
    size = f"largest difference {forces.largest_ev_a or 0.0:.2g} eV/A, {forces.tolerance_ev_a:g} accepted"
    if forces.verdict == "differ":
        return f"DIFFER ({size})"
    return f"equal in {plural(forces.frames, 'described frame')} ({size})"


def _times(comparison: Comparison) -> Section:
    named = [("median", comparison.median), *comparison.tails.items()]
    rows = _ratio_rows([(name, ratio) for name, ratio in named if ratio is not None])
    runs = [
        f"{side}: {plural(len(group), 'run')}, {plural(sum(run.calls for run in group), 'steady call')}"
        for side, group in (("before", comparison.before), ("after", comparison.after))
    ]
    partial = [run.name for run in (*comparison.before, *comparison.after) if _is_partial(run)]
    runs += [one_line(f"{name}: partial, no run_end") for name in partial]
    return Section("Time per call", (rows, Paragraph(tuple(runs))))


def _is_partial(run: MeasuredRun) -> bool:
    return run.summary is not None and run.summary.journal.partial


def _ratio_rows(named: Sequence[tuple[str, Ratio]], heading: str = "time") -> Table:
    size, unit = time_unit([each.before_ns or each.after_ns for _, each in named])
    rows = tuple(
        (
            one_line(name),
            *("-" if each is None else figures(each / size) for each in (ratio.before_ns, ratio.after_ns)),
            "-" if ratio.value is None else f"{ratio.value:.3f}",
            "-" if ratio.interval is None else f"[{ratio.interval.low:.3f}, {ratio.interval.high:.3f}]",
        )
        for name, ratio in named
    )
    return Table((f"{heading}, {unit}", "before", "after", "after/before", "95 % interval"), rows)


def _components(comparison: Comparison) -> Section | None:
    if not comparison.components:
        return None
    shown = list(comparison.components.items())[:COMPONENTS_SHOWN]
    return Section("Components, median per call", (_ratio_rows(shown, "component"),))


def _contractions(changes: Sequence[ContractionChange]) -> Section | None:
    if not changes:
        return None
    shown = changes[:CONTRACTIONS_SHOWN]
    size, unit = time_unit([each.time.before_ns or each.time.after_ns for each in shown])
    rows = []
    for each in shown:
        times = [
            "-" if time is None else figures(time / size)
            for time in (each.time.before_ns, each.time.after_ns)
        ]
        ratio = "-" if each.time.value is None else f"{each.time.value:.3f}"
        name = one_line(f"{each.equation} {each.library} {each.component}")
        rows.append((name, *(figures(number) for number in each.calls), *times, ratio))
    headings = ("per calculation", "calls before", "after", f"{unit} before", "after", "after/before")
    blocks: list[Table | Paragraph] = [Table(headings, tuple(rows))]
    if len(changes) > len(shown):
        blocks.append(Paragraph((f"{len(changes) - len(shown)} shorter entries not shown.",)))
    return Section("Contractions", tuple(blocks))


def _memory(changes: Sequence[MemoryChange]) -> Section | None:
    if not changes:
        return None
    rows = []
    for each in changes:
        known = each.before_bytes is not None and each.after_bytes is not None
        difference = (each.after_bytes or 0) - (each.before_bytes or 0)
        sign = "+" if difference >= 0 else ""
        change = f"{sign}{bytes_of(difference)}" if known else NOT_MEASURED
        rows.append((each.name, bytes_of(each.before_bytes), bytes_of(each.after_bytes), change))
    return Section("Memory", (Table(("mean over runs", "before", "after", "difference"), tuple(rows)),))


def _findings(changes: Sequence[FindingChange]) -> Section | None:
    if not changes:
        return None
    lines = [
        one_line(f"{'appeared' if each.appeared else 'gone'}: {each.rule}: {each.headline}")
        for each in changes
    ]
    return Section("Findings", (Paragraph(tuple(lines)),))


def render_comparison_json(
    comparison: Comparison,
    contractions: Sequence[ContractionChange] = (),
    memory: Sequence[MemoryChange] = (),
    findings: Sequence[FindingChange] = (),
    limits: Sequence[SpeedLimit] = (),
) -> str:
    """Return the comparison as one JSON object, indented, ending with a newline."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "before": [_run(each) for each in comparison.before],
        "after": [_run(each) for each in comparison.after],
        "verdict": comparison.verdict,
        "why": comparison.why,
        "unit": "run" if comparison.replicated else "call",
        "obstacles": [{"rule": each.rule, "text": each.text} for each in comparison.obstacles],
        "unequal": comparison.unequal,
        "values": _values(comparison),
        "forces": asdict(comparison.forces),
        "one_side_first": one_side_first(comparison.before, comparison.after),
        "median": comparison.median,
        "tails": comparison.tails,
        "components": comparison.components,
        "contractions": contractions,
        "memory": memory,
        "findings": findings,
        "limits": [
            {
                "limit": each.text,
                "verdict": each.check(comparison.deciding) if comparison.comparable else "not checked",
            }
            for each in limits
        ],
    }
    return plain_json(document) + "\n"


def _values(comparison: Comparison) -> dict[str, Any]:
    found = asdict(comparison.values)
    del found["places"]  # of no use without the journals
    return found


def _run(run: MeasuredRun) -> dict[str, Any]:
    names = ("median_ns", "p95_ns", "p99_ns")
    quantiles = dict(zip(names, run.quantiles_ns, strict=False))
    plain = {"file": run.name, "partial": _is_partial(run), "calls": run.calls}
    return {**plain, "systems": sorted(run.systems), **quantiles}
