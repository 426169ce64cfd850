"""A report as one HTML page, and the first screen of it for a notebook."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.course.axis import MOST_BINS
from instrumented_calc.reporting.html.masking import Mask, changed
from instrumented_calc.reporting.html.skeleton import page_style, templates, whole_page
from instrumented_calc.reporting.html.view import RunView, first_screen, whole_view
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.report import build_report, report_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.read_run import ReadRun
    from instrumented_calc.reporting.document import Section

MOST_RUNS = 12  # shown in full
FEWEST_BINS = 60  # of each run, if there are many


@dataclass(frozen=True, slots=True)
class PageView:
    """The whole page.

    Attributes:
        title: Its title.
        runs: The runs.
        more: Number of journals that are not shown.
        overview: Sections on all of them: totals, targets.
    """

    title: str
    runs: tuple[RunView, ...]
    more: int
    overview: tuple[Section, ...]


def render_page(runs: Sequence[ReadRun], *, mask: bool = False) -> str:
    """Return a report as an HTML page.

    Args:
        runs: One per journal, at least one.
        mask: Whether to hide the names of users and hosts, and folders.
    """
    shown = runs[:MOST_RUNS]
    bins = max(MOST_BINS // len(shown), FEWEST_BINS)
    views = tuple(whole_view(run, f"run{number}", bins) for number, run in enumerate(shown, start=1))
    page = PageView(report_title(runs), views, len(runs) - len(shown), _overview(runs))
    numbers = json.loads(render_json(runs))
    if mask:
        hide = Mask((each.summary.journal.path, each.summary.journal.start) for each in runs)
        page, numbers = changed(page, hide), changed(numbers, hide)
    plots = {view.anchor: view.data for view in page.runs}
    return whole_page("page.html.jinja", page=page, plots=plots, numbers=numbers)


def render_first_screen(runs: Sequence[ReadRun]) -> str:
    """Return the first screen of the page as a piece of HTML without a script, for a notebook.

    Args:
        runs: One per journal, at least one.
    """
    views = [first_screen(run) for run in runs[:MOST_RUNS]]
    template = templates().get_template("cell.html.jinja")
    more = len(runs) - len(views)
    text: str = template.render(title=report_title(runs), runs=views, more=more, style=page_style())
    return text


def _overview(runs: Sequence[ReadRun]) -> tuple[Section, ...]:
    """Return the totals of several journals and the targets."""
    document = build_report(runs)
    return tuple(
        each for each in document.sections if each.title == "Targets" or each.title.startswith("Together: ")
    )
