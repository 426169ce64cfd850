"""The result of an experiment as an HTML page: the verdict, figures, and all tables of its report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.reporting.document import Paragraph
from instrumented_calc.reporting.html.charts import Chart, chart_of
from instrumented_calc.reporting.html.masking import changed
from instrumented_calc.reporting.html.skeleton import whole_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.reporting.document import Document, Section
    from instrumented_calc.reporting.figure import Figure


@dataclass(frozen=True, slots=True)
class ResultPage:
    """The result of an experiment, to be shown as a page.

    Attributes:
        document: The report; if it begins with sentences, these are the opening of the page.
        figures: What to draw.
        numbers: All numbers as JSON, to be saved by the reader.
        badge: Colour of the badge: `good`, `warn`, `bad` or `quiet`.
        verdict: Words in it; empty: no badge.
        filtered: Whether the reader can filter the rows of tables and the figures by words.
    """

    document: Document
    figures: tuple[Figure, ...]
    numbers: str
    badge: str = "quiet"
    verdict: str = ""
    filtered: bool = False


@dataclass(frozen=True, slots=True)
class ResultView:
    """What the page shows.

    Attributes:
        title: Its title.
        headline: The most important sentence.
        badge: Colour of the badge: `good`, `warn`, `bad` or `quiet`.
        verdict: Words in it; empty: no badge.
        opening: Further sentences.
        charts: The figures.
        sections: The rest of the report.
        filtered: Whether the reader can filter the rows of tables and the figures by words.
    """

    title: str
    headline: str
    badge: str
    verdict: str
    opening: tuple[str, ...]
    charts: tuple[Chart, ...]
    sections: tuple[Section, ...]
    filtered: bool = False


def render_result(result: ResultPage, hide: Callable[[str], str] | None = None) -> str:
    """Return the result of an experiment as an HTML page.

    Args:
        result: The result.
        hide: Applied to each text, to hide users, hosts and folders; None: all is shown.
    """
    document, figures, numbers = result.document, result.figures, json.loads(result.numbers)
    if hide is not None:
        document, figures, numbers = changed((document, figures, numbers), hide)
    sections = document.sections
    lines: tuple[str, ...] = ()
    if sections and isinstance(sections[0].blocks[0], Paragraph):
        lines, sections = sections[0].blocks[0].lines, sections[1:]
    charts = tuple(chart for each in figures if (chart := chart_of(each)) is not None)
    headline, *opening = lines or (document.title,)
    view = ResultView(
        document.title,
        headline,
        result.badge,
        result.verdict,
        tuple(opening),
        charts,
        sections,
        result.filtered,
    )
    return whole_page("result.html.jinja", page=view, plots={}, numbers=numbers)
