"""A controlled experiment as a document, and as JSON for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from instrumented_calc.plain_text import plain_json
from instrumented_calc.quantities import NOT_MEASURED, count, figures, percent, time_unit
from instrumented_calc.reporting.document import Document, Facts, Paragraph, Section, Table
from instrumented_calc.reporting.run.identity import one_line
from instrumented_calc.reporting.study.hotspots import hotspots_section

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from instrumented_calc.analysis.statistics.student_t import Estimate
    from instrumented_calc.analysis.study.decision import Decision
    from instrumented_calc.analysis.study.hotspots import ProfiledMode
    from instrumented_calc.analysis.study.judgement import ReplicateMean, Row, Study

SCHEMA = "instrumented-calc-study/1"
NS = 1e9
US = 1e6


def build_study(
    study: Study,
    settings: Mapping[str, Any],
    notes: Sequence[str] = (),
    files: Sequence[str] = (),
    hotspots: Sequence[ProfiledMode] = (),
) -> Document:
    """Return the comparison as a document.

    Args:
        study: Result of the study.
        settings: Settings common to all cells.
        notes: Further notes for the user.
        files: The written files.
        hotspots: cProfile results of each mode.
    """
    runs = sum(each.runs for each in study.rows)
    title = f"Study of {one_line(settings.get('workload', '?'))}: {count(runs)} processes"
    sections = [
        Section("Verdict", (Paragraph(tuple(_verdict(study))),)),
        *(_decision(each) for each in study.decisions),
        _problems(study, notes),
        _times(study.rows),
        _normalised(study.rows),
        _stages(study.rows),
        _species(study),
        hotspots_section(hotspots),
        Section("Settings", (Facts(tuple((name, one_line(str(each))) for name, each in settings.items())),)),
        Section("Files", (Paragraph(tuple(files)),)) if files else None,
    ]
    return Document(title, tuple(each for each in sections if each))


def _verdict(study: Study) -> list[str]:
    number = sum(1 for each in study.decisions if each.refused)
    reason = f" (REFUSED on {number} of {len(study.decisions)}: the measurements do not allow a verdict)"
    refused = reason if number else ""
    lines = [f"{study.decision.upper()}{refused}: {study.why}"]
    lines += [
        f"species scaling of {each.mode}: {each.verdict}: time ~ S^{_estimate(each.exponent)} (95 %)"
        for each in study.scaling
    ]
    return [one_line(each) for each in lines]


def _decision(decision: Decision) -> Section:
    title = f"{one_line(decision.file)}, {decision.tag}: {decision.decision}"
    return Section(title, (Paragraph(tuple(map(one_line, decision.reasons))),))


def _problems(study: Study, notes: Sequence[str]) -> Section | None:
    lines = [f"{each.rule}: {each.file}: {each.text}" for each in study.problems]
    lines += [f"{each.status}: {each.file} {each.mode} {each.tag}: {each.why}" for each in study.lost]
    lines += notes
    return Section("Problems", (Paragraph(tuple(map(one_line, lines))),)) if lines else None


def _estimate(value: Estimate) -> str:
    return f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"


def _times(rows: Sequence[Row]) -> Section:
    size, unit = time_unit([each.wall.mean * NS for each in rows])
    table = tuple(
        (
            *(_name(each), str(each.runs), figures(each.wall.mean * NS / size)),
            NOT_MEASURED if each.wall.std is None else figures(each.wall.std * NS / size),
            *(_reach(each.wall, size), _share(each), _percent(each.unaccounted)),
            _percent(None if each.einsum_share is None else each.einsum_share.mean),
        )
        for each in rows
    )
    headings = (
        *("input and mode", "runs", f"mean, {unit}", "std", "95 % interval"),
        *("conversions", "unaccounted", "einsum"),
    )
    return Section("Times", (Table(headings, table),))


def _name(row: Row) -> str:
    return one_line(f"{row.file} {row.mode} {row.tag}")


def _reach(spread: ReplicateMean, size: float) -> str:
    if spread.interval is None:
        return NOT_MEASURED
    return f"[{figures(spread.interval.low * NS / size)}, {figures(spread.interval.high * NS / size)}]"


def _share(row: Row) -> str:
    if row.share is None:
        return NOT_MEASURED
    least, most = (percent(each.value) for each in row.share)
    return least if least == most else f"{least} to {most}"


def _percent(share: float | None) -> str:
    return NOT_MEASURED if share is None else percent(share)


def _normalised(rows: Sequence[Row]) -> Section:
    table = tuple(
        (_name(each), *(_microseconds(value) for value in _per(each, each.wall.mean))) for each in rows
    )
    return Section("Normalised times, us", (Table(("input and mode", *_PER), table),))


_PER = ("/ N^2", "/ sum_{a<=b} N_a N_b", "/ pair")


def _per(row: Row, seconds: float) -> tuple[float | None, ...]:
    return row.per_n2(seconds), row.per_product(seconds), row.per_pair(seconds)


def _microseconds(seconds: float | None) -> str:
    return "-" if seconds is None else figures(seconds * US)


def _stages(rows: Sequence[Row]) -> Section | None:
    table = tuple(
        (
            one_line(f"{row.file} {row.mode}: {name}"),
            figures(each.mean * US),
            *(_microseconds(value) for value in _per(row, each.mean)),
        )
        for row in rows
        for name, each in sorted(row.stages.items(), key=lambda item: -item[1].mean)
    )
    if not table:
        return None
    remark = "from separate recorded evaluations: exclusive times, including the recorder's own"
    return Section("Stages, us", (Table(("input, mode, stage", "mean", *_PER), table), Paragraph((remark,))))


def _species(study: Study) -> Section | None:
    table = tuple(
        (one_line(f"{each.mode} {each.tag}: {name}"), f"{fit.value:.2f}", f"[{fit.low:.2f}, {fit.high:.2f}]")
        for each in study.scaling
        for name, fit in (("all", each.exponent), *each.stages.items())
    )
    if not table:
        return None
    return Section("Species scaling", (Table(("mode and stage", "exponent", "95 % interval"), table),))


def render_study_json(study: Study, settings: Mapping[str, Any], notes: Sequence[str]) -> str:
    """Return the study as one JSON object, indented, ending with a newline.

    Args:
        study: Result of the study.
        settings: Settings common to all cells.
        notes: Further notes for the user.
    """
    decisions = [
        {**asdict(each), "ratios": {f"{a}/{b}": asdict(v) for (a, b), v in (each.ratios or {}).items()}}
        if each.ratios
        else asdict(each)
        for each in study.decisions
    ]
    document = {
        "schema": SCHEMA,
        "settings": dict(settings),
        "decision": study.decision,
        "why": study.why,
        "refused": study.refused,
        "decisions": decisions,
        "rows": [
            {**asdict(each), "time_per_N2": each.per_n2(each.wall.mean)}
            | {"time_per_product": each.per_product(each.wall.mean)}
            | {"time_per_pair": each.per_pair(each.wall.mean)}
            for each in study.rows
        ],
        "species_scaling": [asdict(each) for each in study.scaling],
        "problems": [
            {name: getattr(each, name) for name in ("rule", "file", "text", "blocks", "tag")}
            for each in study.problems
        ],
        "lost": [asdict(each) for each in study.lost],
        "notes": list(notes),
    }
    return plain_json(document) + "\n"
