"""Figures of ingested bundles: only data of one table, and only times that may be compared."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.analysis.experiment_checks import in_order, is_time
from instrumented_calc.analysis.study.cells import FULL, NUMPY
from instrumented_calc.analysis.study.judgement import spread
from instrumented_calc.intake.archives.layout import safe_name
from instrumented_calc.intake.checks.backend_labels import unverified
from instrumented_calc.intake.checks.comparability import (
    bundles_with_other_values,
    cold_groups,
    cold_tables,
)
from instrumented_calc.reporting.figure import Figure, Point
from instrumented_calc.reporting.run.identity import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from instrumented_calc.intake.reading.measurements import Measurement
    from instrumented_calc.intake.reading.study_data import Group, StudyData

    Groups = dict[Group, list[Measurement]]

MS, US, PERCENT = 1e3, 1e6, 100.0
LONGEST = 48  # characters of a name
MOST_POINTS, MOST_TABLES = 120, 8
BEFORE_AFTER = {NUMPY: "before", FULL: "after", "before": "before", "after": "after"}


def figures_of_intake(evidence: StudyData) -> tuple[list[Figure], list[str]]:
    """Return the figures that the data suffices for, and the reasons why others are not drawn.

    Cold first runs are excluded. Intervals are Student's 95 %; a single run has none.

    Args:
        evidence: Contents of the bundles.
    """
    found, notes = [], []
    doubted = unverified(evidence)
    for table, groups in _tables(evidence).items():
        why = _incomparable(evidence, table)
        if why:
            notes.append(f"times of {table} are not drawn: {why}")
            groups = {}  # noqa: PLW2901 - nothing is drawn
        for draw in (_wall_time, _scaling_species, _util):
            figure = draw(groups, lambda group: _series(group, doubted))
            found.append((table, figure))
    found += _einsum_shares(evidence)
    return _named([(table, each) for table, each in found if each.points], notes)


def _named(found: Sequence[tuple[str, Figure]], notes: list[str]) -> tuple[list[Figure], list[str]]:
    """Add the table's name to figures drawn from several tables; omit figures that are too large."""
    tables = Counter(each.name for _, each in found)
    drawn: Counter[str] = Counter()
    figures = []
    for table, each in found:
        drawn[each.name] += 1
        if len(each.points) > MOST_POINTS or drawn[each.name] > MOST_TABLES:
            notes.append(f"{each.name} of {table} is not drawn: too many points for a figure")
            continue
        name = each.name if tables[each.name] == 1 else f"{each.name}-{drawn[each.name]}-{safe_name(table)}"
        title = f"{each.title}\n{_plain(table)}".replace("$", r"\$")
        figures.append(replace(each, name=name, title=title))
    return figures, notes


def _tables(evidence: StudyData) -> dict[str, Groups]:
    """Return the valid runs, by table."""
    cold = cold_groups(evidence)
    tables: dict[str, Groups] = {}
    for group, runs in evidence.groups().items():
        tables.setdefault(group[0], {})[group] = in_order(runs)[1 if group in cold else 0 :]
    return tables


def _incomparable(evidence: StudyData, table: str) -> str:
    if table in cold_tables(evidence):
        return "some were read from disk and others from its cache"
    if table.partition("/")[0] in bundles_with_other_values(evidence):
        return "its modes compute different values"
    return ""


def _series(group: Group, doubted: dict[tuple[str, str], str]) -> str:
    """Label a mode and tag; append "label unverified" if its backend is unverified."""
    table, _, mode, tag = group
    label = " (label unverified)" if (table.partition("/")[0], mode) in doubted else ""
    return _plain(f"{mode} {tag}") + label


def _wall_time(groups: Groups, series: Callable[[Group], str]) -> Figure:
    points = [
        _point(series(group), _plain(group[1]), [each.wall_s for each in runs], MS)
        for group, runs in groups.items()
    ]
    title = "Wall time, mean and 95 % interval"
    return Figure(
        "wall_time_by_system", title, "system", "wall time, ms", tuple(filter(None, points)), logarithmic=True
    )


def _scaling_species(groups: Groups, series: Callable[[Group], str]) -> Figure:
    """Draw a line for each mode and N, so that only the species vary along it."""
    lines: dict[str, list[tuple[int, Point]]] = {}
    for group, runs in groups.items():
        n_atoms, species = runs[0].n_atoms, runs[0].species
        if n_atoms and species:
            name = f"{series(group)}, N = {n_atoms}"
            factor = US / float(n_atoms) / float(n_atoms)
            found = _point(name, float(species), [each.wall_s for each in runs], factor)
            lines.setdefault(name, []).extend([(species, found)] if found else [])
    points = []
    for line in lines.values():
        # Two systems with the same species differ in something else: neither shows how time scales with
        # species.
        systems = Counter(species for species, _ in line)
        kept = [point for species, point in line if systems[species] == 1]
        points += kept if len(kept) > 1 else []
    title = "Time over N², mean and 95 % interval"
    return Figure(
        "scaling_species", title, "species", "time / N², us", tuple(points), lines=True, logarithmic=True
    )


def _util(groups: Groups, series: Callable[[Group], str]) -> Figure:
    """Draw the utilisation before and after: as tagged in the table, else of NumPy and of torch alone."""
    points = []
    for group, runs in groups.items():
        _, system, mode, tag = group
        when = BEFORE_AFTER.get(tag.strip().lower()) or BEFORE_AFTER.get(mode)
        if when:
            name = f"{when}: {series(group)}"
            points.append(_point(name, _plain(system), [each.util for each in runs], 1.0))
    title = "Utilisation, mean and 95 % interval"
    return Figure(
        "util_before_after",
        title,
        "system",
        "utilisation, as given in the table",
        tuple(filter(None, points)),
    )


def _einsum_shares(evidence: StudyData) -> Iterator[tuple[str, Figure]]:
    """Yield the shares measured by our own studies, or else those from journals."""
    title = "Share of einsums in recorded evaluations"
    for name, study in evidence.studies.items():
        points = tuple(filter(None, map(_studied_share, _mappings(study.get("rows")))))
        yield name, Figure("einsum_share", title, "input", "share, %", points)
    if not evidence.studies:
        shares = (
            (name, each.contractions.share)
            for name, each in evidence.journals.items()
            if each.contractions is not None
        )
        found = (_point("recorded", _plain(name), [share], PERCENT) for name, share in shares)
        yield "journals", Figure("einsum_share", title, "journal", "share, %", tuple(filter(None, found)))


def _mappings(rows: Any) -> Iterable[dict[str, Any]]:
    return (each for each in rows if isinstance(each, dict)) if isinstance(rows, list) else ()


def _studied_share(row: dict[str, Any]) -> Point | None:
    """Return the share in one row of a stored study, whatever the row contains."""
    share = row.get("einsum_share")
    if not isinstance(share, dict):
        return None
    interval = share.get("interval")
    ends = interval if isinstance(interval, dict) else {}
    series, place = _plain(f"{row.get('mode')} {row.get('tag')}"), _plain(str(row.get("file")))
    value, low, high = (_number(each) for each in (share.get("mean"), ends.get("low"), ends.get("high")))
    return None if value is None else Point(series, place, value, low, high)


def _number(value: Any) -> float | None:
    is_share = isinstance(value, float | int) and math.isfinite(value) and 0 <= value <= 1
    return PERCENT * value if is_share else None


def _point(series: str, place: str | float, values: Sequence[float | None], factor: float) -> Point | None:
    with np.errstate(all="ignore"):  # numbers in a bundle may be any
        found = spread([each * factor for each in values if each is not None and is_time(each)])
    if found is None or not math.isfinite(found.mean):
        return None
    ends = found.interval if found.std is not None and math.isfinite(found.std) else None
    return Point(series, place, found.mean, *((ends.low, ends.high) if ends else (None, None)))


def _plain(name: str) -> str:
    """Return a name from a bundle so that every font has its characters and it fits."""
    text = one_line(name).encode("ascii", "backslashreplace").decode()
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}..{text[-LONGEST // 2 :]}"
