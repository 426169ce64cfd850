"""A scaling study as a document, and as JSON for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from instrumented_calc.plain_text import plain_json
from instrumented_calc.quantities import (
    NOT_MEASURED,
    bytes_of,
    count,
    figures,
    percent,
    plural,
    time_unit,
)
from instrumented_calc.reporting.document import Document, Facts, Paragraph, Section, Table
from instrumented_calc.reporting.figure import Curve, Figure, Point
from instrumented_calc.reporting.run.identity import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from instrumented_calc.analysis.scaling import MemoryFit, Scaling, SizeTime
    from instrumented_calc.analysis.statistics.student_t import Estimate

SCHEMA = "instrumented-calc-scaling/1"


def build_scaling(
    title: str, scaling: Scaling, settings: Mapping[str, Any], remarks: Sequence[str] = ()
) -> Document:
    """Return the comparison as a document.

    Args:
        title: Title.
        scaling: The measured scaling.
        settings: Settings common to all runs.
        remarks: Failures and notes.
    """
    found = [
        Section("Scaling", (Paragraph(tuple(_verdict(scaling))),)),
        Section("Problems", (Paragraph(tuple(map(one_line, remarks))),)) if remarks else None,
        _sizes(scaling),
        _exponents(scaling),
        _memory(scaling.memory),
        Section("Settings", (Facts(tuple((name, one_line(value)) for name, value in settings.items())),)),
    ]
    return Document(title, tuple(each for each in found if each))


def _verdict(scaling: Scaling) -> list[str]:
    lines = [
        one_line(f"not comparable: {each.key}, {each.name}: {' and '.join(each.before)}")
        for each in scaling.unequal
    ]
    if scaling.exponent is not None:
        lines.append(f"time per call ~ N^{_estimate(scaling.exponent)} (95 %)")
    if scaling.overhead_bound:
        lines.append(
            f"OVERHEAD-BOUND: {scaling.why}: larger systems cost hardly more, so the hardware is underused"
        )
        lines.append(
            "try CUDA graphs or compilation, several replicas in parallel, or the CPU for small systems"
        )
    else:
        state = (
            "not overhead-bound" if scaling.overhead_bound is False else "overhead-bound: not enough evidence"
        )
        lines.append(f"{state}: {scaling.why}")
    lines += [f"{one_line(name)}: no steady call" for name in scaling.unmeasured]
    return lines


def _estimate(value: Estimate) -> str:
    return f"{value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _sizes(scaling: Scaling) -> Section:
    size, unit = time_unit([each.median_ns for each in scaling.sizes])
    rows = tuple(
        (
            count(each.n_atoms),
            count(each.runs),
            figures(each.median_ns / size),
            "-" if each.scatter is None else percent(each.scatter),
            figures(each.us_per_atom),
            NOT_MEASURED if each.peak_bytes is None else bytes_of(each.peak_bytes),
        )
        for each in scaling.sizes
    )
    headings = ("atoms", "runs", f"median, {unit}", "between runs", "us/atom", "peak memory")
    return Section("Sizes", (Table(headings, rows),))


def _exponents(scaling: Scaling) -> Section | None:
    if not scaling.components:
        return None
    rows = tuple(
        (one_line(name), f"{fit.value:.3f}", f"[{fit.low:.3f}, {fit.high:.3f}]")
        for name, fit in scaling.components.items()
    )
    return Section("Components", (Table(("component", "exponent", "95 % interval"), rows),))


def _memory(fits: Sequence[MemoryFit]) -> Section | None:
    if not fits:
        return None
    lines = []
    for each in fits:
        slope = each.bytes_per_atom
        line = f"{each.kind}: {bytes_of(each.at_zero_bytes)} + {bytes_of(slope.value)} per atom"
        line += f" [{bytes_of(slope.low)}, {bytes_of(slope.high)}]"
        if each.largest is not None:
            ends = f"[{count(_rounded(each.largest.low))}, {count(_rounded(each.largest.high))}]"
            fitting = f"{count(_rounded(each.largest.value))} {ends}"
            line += f"; about {fitting} atoms fit {bytes_of(each.limit_bytes)}"
        elif each.fits_at_least is not None:
            least = plural(each.fits_at_least, "atom")
            line += f"; {least} or more fit {bytes_of(each.limit_bytes)}: larger runs would tell"
        elif slope.low <= 0:
            line += "; no growth visible over these sizes, so no extrapolation"
        else:
            line += "; the limit is unknown"
        lines.append(line)
    return Section("Memory", (Paragraph(tuple(lines)),))


def _rounded(number: float) -> int:
    """Return an estimate to two significant figures; more would overstate its accuracy."""
    return int(float(f"{number:.1e}"))


def scaling_figure(scaling: Scaling) -> Figure | None:
    """Return time per call against size, with the fit; None without times or if runs are not comparable."""
    if not scaling.sizes or scaling.unequal:
        return None
    size, unit = time_unit([each.median_ns for each in scaling.sizes])
    points = tuple(_point(each, size) for each in scaling.sizes)
    curve = None
    if scaling.fit and scaling.exponent is not None:
        fitted = [(each.n_atoms, each.time_ns) for each in scaling.fit]
        curve = Curve(
            f"fit N^{scaling.exponent.value:.2f}, 95 % interval",
            tuple((n, time.value / size, time.low / size, time.high / size) for n, time in fitted),
        )
    return Figure(
        "time_by_size",
        "Time per call against size",
        "atoms",
        f"median, {unit}",
        points,
        lines=True,
        logarithmic=True,
        log_along=True,
        curve=curve,
    )


def _point(time: SizeTime, size: float) -> Point:
    interval = time.interval
    ends = (None, None) if interval is None else (interval.low / size, interval.high / size)
    return Point("median of the runs, 95 % interval", time.n_atoms, time.median_ns / size, *ends)


def scaling_title(calc: str, system: str, scaling: Scaling) -> str:
    """Return the title of a scaling study."""
    runs = sum(each.runs for each in scaling.sizes)
    extent = f"{plural(len(scaling.sizes), 'size')}, {plural(runs, 'run')}"
    return f"Scaling of {one_line(calc)} on {one_line(system)}: {extent}"


def render_scaling_json(scaling: Scaling, settings: Mapping[str, Any], failures: Sequence[str]) -> str:
    """Return the scaling as one JSON object, indented, ending with a newline."""
    document = {
        "schema": SCHEMA,
        "settings": settings,
        **asdict(scaling),
        "sizes": [{**asdict(each), "us_per_atom": each.us_per_atom} for each in scaling.sizes],
        "failures": list(failures),
    }
    return plain_json(document) + "\n"
