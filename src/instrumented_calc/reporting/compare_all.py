"""Several models on the same system: a table as text, a document, and figures if they may be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.comparison.comparison import compare
from instrumented_calc.analysis.comparison.hardware import VALUES
from instrumented_calc.analysis.comparison.measured_run import run_of_summary
from instrumented_calc.quantities import figures
from instrumented_calc.reporting.document import Document, Facts, Paragraph, Section, Table
from instrumented_calc.reporting.figure import Figure, Point

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from instrumented_calc.analysis.summary import Summary

# Row key, heading and format; None is shown as a dash.
COLUMNS = (
    ("median_ms", "median ms", "{:.3g}"),
    ("p95_ms", "p95 ms", "{:.3g}"),
    ("us_per_atom", "us/atom", "{:.3g}"),
    ("steps_per_s", "steps/s", "{:.3g}"),
    ("ns_per_day", "ns/day", "{:.3g}"),
    ("first_call_ms", "first call ms", "{:.4g}"),
    ("peak_mb", "host peak MB", "{:.0f}"),
)
# What differs between models by nature: the model, its precision and device, and what it needs.
UNDER_TEST = ("calculator", "dtype", "device", "compiled", "libraries", VALUES)

Row = dict[str, Any]


def render_models(rows: Sequence[Row], word: str) -> str:
    """Return the table as text.

    Args:
        rows: One per model: `calc` with the values of `COLUMNS` and with `broken`, what is wrong with the
            simulation, or with `failure`.
        word: What a failure is called.
    """
    width = max(len("model"), *(len(row["calc"]) for row in rows))
    lines = [f"{'model':<{width}}" + "".join(f"{heading:>15}" for _, heading, _ in COLUMNS)]
    for row in rows:
        if "failure" in row:
            lines.append(f"{row['calc']:<{width}}   {word}: {row['failure']}")
            continue
        lines.append(f"{row['calc']:<{width}}" + "".join(f"{cell:>15}" for cell in _cells(row)))
    return "\n".join((*lines, *_broken(rows)))


def build_models(title: str, rows: Sequence[Row], word: str, obstacles: Sequence[str]) -> Document:
    """Return the table as a document.

    Args:
        title: What was computed.
        rows: As for `render_models`.
        word: What a failure is called.
        obstacles: Why the models may not be compared, see `obstacles_of`.
    """
    measured = [row for row in rows if "failure" not in row]
    failed = tuple((row["calc"], row["failure"]) for row in rows if "failure" in row)
    headings = ("model", *(heading for _, heading, _ in COLUMNS))
    lines = [f"{len(measured)} of {len(rows)} models measured: {title}"]
    lines += [*_broken(rows), *(f"not comparable: {each}" for each in obstacles)]
    sections = [Section("Result", (Paragraph(tuple(lines)),))]
    if measured:
        table = Table(headings, tuple((row["calc"], *_figures(row)) for row in measured))
        sections.append(Section("Models", (table,)))
    if failed:
        sections.append(Section(word.capitalize(), (Facts(failed),)))
    return Document(f"Models on {title}", tuple(sections))


def _broken(rows: Sequence[Row]) -> list[str]:
    """Return the models whose simulation is broken: their speed may not be that of a sound one."""
    return [f"BROKEN {row['calc']}: {row['broken']}" for row in rows if row.get("broken")]


def obstacles_of(summaries: Sequence[Summary]) -> list[str]:
    """Return why the runs may not be compared, apart from what differs between models by nature.

    Args:
        summaries: One per model.
    """
    if not summaries:
        return []
    first, *others = map(run_of_summary, summaries)
    found = compare([first], others or [first], allowed=UNDER_TEST)
    return [each.text for each in found.obstacles]


def figures_of_models(rows: Sequence[Row]) -> list[Figure]:
    """Return time and memory side by side, of models that may be compared.

    Args:
        rows: As for `render_models`.
    """
    found = [
        _figure("median", "Median time per call", "ms", rows, "median_ms"),
        _figure("memory", "Peak memory of the host", "MB", rows, "peak_mb"),
    ]
    return [each for each in found if len(each.points) > 1]


def _figure(name: str, title: str, unit: str, rows: Sequence[Row], key: str) -> Figure:
    points = tuple(Point(title, row["calc"], row[key]) for row in rows if row.get(key) is not None)
    return Figure(name, title, "model", unit, points)


def _figures(row: Mapping[str, Any]) -> list[str]:
    return ["-" if row[key] is None else figures(row[key]) for key, _, _ in COLUMNS]


def _cells(row: Mapping[str, Any]) -> list[str]:
    return ["-" if row[key] is None else form.format(row[key]) for key, _, form in COLUMNS]
