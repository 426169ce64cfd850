"""The sections of a report on one journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.systems import measure_systems
from instrumented_calc.journal.vocabulary import LIST_BUILDS
from instrumented_calc.quantities import (
    NOT_MEASURED,
    bytes_of,
    count,
    duration,
    elapsed,
    figures,
    number,
    percent,
    percents,
    plural,
    time_unit,
)
from instrumented_calc.reporting.document import Facts, Paragraph, Section, Table
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.conservation import conservation_section
from instrumented_calc.reporting.run.contractions import contractions_section
from instrumented_calc.reporting.run.conversions import conversions_section
from instrumented_calc.reporting.run.damage import damage_lines
from instrumented_calc.reporting.run.ending import ending_words
from instrumented_calc.reporting.run.inside_calls import compilation_section, counts_section, device_section
from instrumented_calc.reporting.run.observers import observers_section
from instrumented_calc.reporting.run.places import places_section
from instrumented_calc.reporting.run.programs import program_facts
from instrumented_calc.reporting.run.speed_cells import ns_per_day_cell, steps_cell
from instrumented_calc.reporting.run.stalls import stalls_section
from instrumented_calc.reporting.run.systems import systems_table
from instrumented_calc.reporting.run.traces import traces_section

if TYPE_CHECKING:
    from instrumented_calc.analysis.memory.reading import Memory
    from instrumented_calc.analysis.summary import LaneSummary, PhaseSummary, Speed, Summary
    from instrumented_calc.analysis.timing.latency import Latency
    from instrumented_calc.analysis.timing.part_spread import PartSpread
    from instrumented_calc.analysis.timing.time_shares import Breakdown

REASONS_SHOWN = 5
LANES_SHOWN = 20
SYSTEMS_SHOWN = 20
NOTICES_SHOWN = 10
NOTABLE_WAIT = 0.05


def sections_of(summary: Summary) -> list[Section]:
    """Return all non-empty sections."""
    made = [
        _run(summary),
        _warnings(summary),
        stalls_section(summary.journal),
        _speed(summary),
        _latency(summary),
        compilation_section(summary),
        _phases(summary.phases),
        _lanes(summary.lanes),
        _systems(summary),
        _breakdown(summary.breakdown, summary.phases, summary.spread, summary.lanes),
        observers_section(summary),
        places_section(summary),
        contractions_section(summary.contractions, summary.gemms),
        conversions_section(summary.conversions),
        device_section(summary.device),
        traces_section(summary.traces),
        _slowest(summary),
        _evaluations(summary),
        counts_section(summary.counts),
        conservation_section(summary.conservation),
        _failures(summary),
        _memory(summary),
    ]
    return [section for section in made if section is not None]


def _run(summary: Summary) -> Section:
    journal, start = summary.journal, summary.journal.start
    environment = journal.environment
    pairs = [
        ("file", identity.file_line(journal)),
        ("started", start and identity.one_line(start.started)),
        ("ended", ending_words(summary.ending)),
        ("command", identity.command(journal)),
        ("processor", environment.cpu and identity.one_line(environment.cpu)),
        ("versions", _versions(summary)),
    ]
    for lane in summary.lanes[:1]:
        if lane.lane is not None:
            words = identity.model_words(lane.lane)
            system = identity.system_words(lane.lane)
            pairs.append(("calculator", "  ".join([*words, *([system] if system else [])])))
            pairs += [
                ("settings", identity.settings_words(lane.lane)),
                ("weights", identity.weights_words(lane.lane)),
            ]
    return Section("Run", (Facts(tuple((name, str(value)) for name, value in pairs if value)),))


def _versions(summary: Summary) -> str:
    start, environment = summary.journal.start, summary.journal.environment
    known = [f"instrumented-calc {identity.one_line(start.version)}"] if start else []
    if environment.python:
        known.append(identity.one_line(environment.python))
    libraries = environment.libraries or []
    known += [identity.one_line(f"{library.name} {library.version}") for library in libraries]
    return ", ".join(known)


def _warnings(summary: Summary) -> Section | None:
    journal, counters = summary.journal, summary.journal.counters
    lines = []
    if journal.partial and not journal.running and not journal.parent_run_id:
        lines.append(f"The journal has no run_end: {ending_words(summary.ending)}.")
    lines += damage_lines(journal)
    if counters and counters.lost_rows:
        lines.append(
            f"{plural(counters.lost_rows, 'row')} could not be written and are missing from the figures."
        )
    if counters and counters.faults:
        lines.append(f"{plural(counters.faults, 'internal error')} of the recorder.")
    for event, seen in journal.unknown_events.items():
        lines.append(f"{plural(seen, 'record')} of unknown kind {identity.one_line(event)!r}.")
    lines += [identity.one_line(each.text) for each in journal.notices[:NOTICES_SHOWN]]
    if len(journal.notices) > NOTICES_SHOWN:
        lines.append(f"and {plural(len(journal.notices) - NOTICES_SHOWN, 'other notice')}")
    return Section("Notices", (Paragraph(tuple(lines)),)) if lines else None


def _speed(summary: Summary) -> Section:
    wall = NOT_MEASURED if summary.wall_ns is None else elapsed(summary.wall_ns)
    pairs = [("wall time", f"{wall}, from the first call's start to the last one's end")]
    if summary.wall_ns is None:
        pairs = [("wall time", wall)]
    speed: Speed | None = summary.speed
    pairs += [
        ("steps", NOT_MEASURED if speed is None else count(speed.steps)),
        ("ms/step", NOT_MEASURED if speed is None else figures(speed.ms_per_step)),
        ("steps/s", NOT_MEASURED if speed is None else figures(speed.steps_per_s)),
        ("ns/day", _ns_per_day(summary)),
        ("us/atom", number(summary.us_per_atom)),
        ("katom-step/s", number(summary.katom_steps_per_s)),
    ]
    return Section("Speed", (Facts(tuple(pairs)),))


def _ns_per_day(summary: Summary) -> str:
    if summary.soundness.ruined:
        return "not stated: the simulation is not sound"
    return NOT_MEASURED if summary.speed is None else number(summary.speed.ns_per_day)


def _latency(summary: Summary) -> Section:
    latency = summary.latency
    if latency is None:
        every = f"{NOT_MEASURED}: every successful call compiled something"
        return Section("Latency", (Paragraph((every if summary.compilation else NOT_MEASURED,)),))
    kind = "outermost, successful, without compilation" if summary.compilation else "outermost, successful"
    if summary.journal.traces:
        kind += ", not traced"
    remarks = [
        f"{plural(latency.calls, 'steady call')}: {kind}, after the warm-up.",
        "   ".join(
            (
                f"CV {percent(latency.cv)}",
                f"p95/mean {number(latency.p95_over_mean)}",
                f"p99/mean {number(latency.p99_over_mean)}",
            )
        ),
    ]
    if not latency.exact:
        remarks.append("Some rows were thinned: percentiles are accurate to +-1.6 %.")
    warmup = summary.warmup
    if warmup is not None:
        remarks.append(
            f"Warm-up: {plural(warmup.calls, 'call')}, {duration(warmup.wall_ns)} in total,"
            f" the first {duration(warmup.first_ns)}."
        )
    return Section("Latency", (_latency_table([("steady", latency)]), Paragraph(tuple(remarks))))


def _latency_table(named: list[tuple[str, Latency]]) -> Table:
    size, unit = time_unit([latency.median_ns for _, latency in named])
    rows = []
    for name, each in named:
        times = (
            each.mean_ns,
            each.std_ns,
            each.min_ns,
            each.median_ns,
            each.p90_ns,
            each.p95_ns,
            each.p99_ns,
            each.p999_ns,
            each.max_ns,
        )
        rows.append((name, *("-" if time is None else figures(time / size) for time in times)))
    headings = ("mean", "std", "min", "median", "p90", "p95", "p99", "p99.9", "max")
    return Table((f"in {unit}", *headings), tuple(rows))


def _phases(phases: list[PhaseSummary]) -> Section | None:
    if len(phases) < 2:  # noqa: PLR2004 - a single phase is the run
        return None
    rows = []
    for each in phases:
        speed = each.speed
        rows.append(
            (
                f"{each.phase.phase} {identity.phase_words(each.phase)}",
                count(each.calls),
                steps_cell(speed),
                elapsed(each.wall_ns),
                "-" if speed is None else figures(speed.ms_per_step),
                ns_per_day_cell(speed),
            )
        )
    table = Table(("phase", "calls", "steps", "wall", "ms/step", "ns/day"), tuple(rows))
    named = [
        (f"{each.phase.phase} {identity.phase_words(each.phase)}", each.latency)
        for each in phases
        if each.latency is not None
    ]
    latency = (_latency_table([(name, known) for name, known in named if known]),) if named else ()
    return Section("Phases", (table, *latency))


def _lanes(lanes: list[LaneSummary]) -> Section | None:
    if len(lanes) < 2:  # noqa: PLR2004 - a single calculator is the run
        return None
    size, unit = time_unit([lane.median_ns for lane in lanes])
    rows = [
        (
            f"{lane.number} {identity.model_words(lane.lane)[0] if lane.lane else '?'}",
            (identity.system_words(lane.lane) if lane.lane else None) or "-",
            count(lane.calls),
            elapsed(lane.wall_ns),
            figures(lane.median_ns / size),
        )
        for lane in lanes[:LANES_SHOWN]
    ]
    if rest := lanes[LANES_SHOWN:]:
        calls, wall = sum(lane.calls for lane in rest), sum(lane.wall_ns for lane in rest)
        rows.append((f"{len(rest)} others", "-", count(calls), elapsed(wall), "-"))
    table = Table(("calculator", "system", "calls", "time", f"median, {unit}"), tuple(rows))
    return Section("Calculators", (table,))


def _systems(summary: Summary) -> Section | None:
    systems = measure_systems([summary.journal])
    return Section("Systems", (systems_table(systems, SYSTEMS_SHOWN),)) if systems else None


def _breakdown(
    breakdown: Breakdown | None,
    phases: list[PhaseSummary],
    spread: dict[str, PartSpread],
    lanes: list[LaneSummary],
) -> Section | None:
    if breakdown is None or not breakdown.wall_ns:
        return None
    blocks: list[Table | Paragraph] = [_breakdown_table("whole run", breakdown)]
    if breakdown.groups:
        blocks.append(_groups_table(breakdown))
    blocks.append(_spread_table(spread))
    if len(phases) > 1:
        blocks += [
            _breakdown_table(f"phase {each.phase.phase} {identity.phase_words(each.phase)}", each.breakdown)
            for each in phases
            if each.breakdown is not None and each.breakdown.wall_ns
        ]
    remarks = []
    if breakdown.concurrency > 1:
        remarks.append(
            f"Calls overlapped, {figures(breakdown.concurrency)} at a time on average: the"
            " calculator's time is the time in which any ran, divided in proportion."
        )
    if breakdown.estimated:
        remarks.append("Overlapping calls were thinned: the calculator's time is an estimate.")
    if not breakdown.of_kind("component"):
        remarks.append("No components of the calculator were recorded.")
    elif breakdown.one_pass:
        remarks.append(
            "Energy and forces are computed in one pass: no component belongs to only one of them."
        )
    remarks += _reasons(lanes)
    if not any(part.kind == "profiler" for part in breakdown.parts):
        remarks.append(f"Profiler: {NOT_MEASURED}.")
    return Section("Where the time went", (*blocks, *([Paragraph(tuple(remarks))] if remarks else [])))


def _reasons(lanes: list[LaneSummary]) -> list[str]:
    """Return why parts of the calculators have no row."""
    known = (reason for lane in lanes if lane.lane is not None for reason in lane.lane.parts_absent or ())
    return [f"Not split further: {reason}." for reason in [*dict.fromkeys(known)][:REASONS_SHOWN]]


def _breakdown_table(title: str, breakdown: Breakdown) -> Table:
    parts, wall = breakdown.parts, breakdown.wall_ns
    size, unit = time_unit([part.wall_ns for part in parts])
    shares = percents([part.wall_ns / wall for part in parts])
    rows = [
        (identity.one_line(part.name), figures(part.wall_ns / size), share)
        for part, share in zip(parts, shares, strict=True)
    ]
    rows.append(("wall", figures(wall / size), "100.0"))
    headings = (title, unit, "% of wall")
    if not breakdown.groups:
        return Table(headings, tuple(rows))
    groups = [*(identity.one_line(part.group or "") for part in parts), ""]
    return Table((*headings, "group"), tuple((*row, group) for row, group in zip(rows, groups, strict=True)))


def _spread_table(spread: dict[str, PartSpread]) -> Table:
    """Return the time of a call by component, in the form of LAMMPS's breakdown."""
    size, unit = time_unit([each.mean_ns for each in spread.values()])
    rows = tuple(
        (
            identity.one_line(name),
            figures(each.min_ns / size),
            figures(each.mean_ns / size),
            figures(each.max_ns / size),
            "-" if each.cv is None else figures(100 * each.cv),
        )
        for name, each in sorted(spread.items(), key=lambda item: -item[1].mean_ns)
    )
    return Table((f"per call, {unit}", "min", "avg", "max", "%var"), rows)


def _groups_table(breakdown: Breakdown) -> Table:
    """Return the sums of the groups, as printed above; components without a group are excluded."""
    size, unit = time_unit([part.wall_ns for part in breakdown.parts])
    shares = percents([part.wall_ns / breakdown.wall_ns for part in breakdown.parts])
    shown = dict.fromkeys(breakdown.groups, 0.0)
    for part, share in zip(breakdown.parts, shares, strict=True):
        if part.group:
            shown[part.group] += float(share)
    rows = tuple(
        (identity.one_line(group), figures(time / size), f"{shown[group]:.1f}")
        for group, time in breakdown.groups.items()
    )
    return Table(("by group", unit, "% of wall"), rows)


def _slowest(summary: Summary) -> Section | None:
    if not summary.slowest:
        return None
    size, unit = time_unit([slow.wall_ns for slow in summary.slowest])
    rows = tuple(
        (
            count(slow.index),
            "-" if slow.step is None else count(slow.step),
            figures(slow.wall_ns / size),
            identity.one_line(slow.cause or "no cause recorded"),
        )
        for slow in summary.slowest
    )
    return Section("Slowest calls", (Table(("call", "step", unit, "cause"), rows),))


def _evaluations(summary: Summary) -> Section:
    seen = summary.evaluations
    counted = (
        ("calculations", seen.calls),
        ("nested calculations", seen.nested),
        ("failed", seen.failed),
        ("get_property calls", seen.get_property),
        ("cache hits", seen.cache_hits),
        ("not implemented", seen.not_implemented),
    )
    pairs = [(name, NOT_MEASURED if n is None else count(n)) for name, n in counted]
    builds = sum(each.total for each in summary.counts if each.name == LIST_BUILDS)
    if builds:
        per_step = f", {figures(builds / summary.speed.steps)} per step" if summary.speed else ""
        pairs.append(("neighbour list builds", f"{count(builds)}{per_step}"))
    pairs.append(("calculations per step", number(seen.per_step)))
    pairs.append(("calculations per geometry", number(seen.per_geometry)))
    return Section("Evaluations", (Facts(tuple(pairs)),))


def _failures(summary: Summary) -> Section | None:
    if not summary.failures:
        return None
    rows = tuple((identity.one_line(name), count(n)) for name, n in summary.failures.items())
    return Section("Failures", (Table(("exception", "calls"), rows),))


def _memory(summary: Summary) -> Section:
    cpu = summary.cpu_per_wall
    busy = NOT_MEASURED if cpu is None else f"{figures(cpu)} processors busy on average"
    pairs = (
        [("host memory", NOT_MEASURED)] if summary.memory is None else _held("host memory", summary.memory)
    )
    if summary.device_allocated is not None:
        pairs += _held("device memory, allocated", summary.device_allocated)
    if summary.device_reserved is not None:
        pairs += _held("device memory, reserved", summary.device_reserved)
    pairs.append(("CPU", busy))
    if summary.processor_wait is not None and summary.processor_wait >= NOTABLE_WAIT:
        waiting = f"{percent(summary.processor_wait)} of the time in the thread of the first call"
        pairs.append(("waiting for a processor", waiting))
    if summary.programs is not None:
        pairs += program_facts(summary.programs)
    return Section("Memory and CPU", (Facts(tuple(pairs)),))


def _held(name: str, memory: Memory) -> list[tuple[str, str]]:
    slope = NOT_MEASURED
    if memory.slope_bytes is not None:
        slope = f"{memory.slope_bytes / 1e3:+.3f} kB/{memory.per}, least squares, no verdict"
    return [
        (name, f"{bytes_of(memory.start_bytes)} first, {bytes_of(memory.end_bytes)} last"),
        ("peak", f"{bytes_of(memory.peak_bytes)}; {plural(memory.samples, 'sample')}"),
        ("slope", slope),
    ]
