"""A report as one HTML page, and the first screen of it for a notebook.

The page loads nothing: its policy allows only the style and the script in it, by their hashes. All text from
a journal is escaped by the template engine; the data of the plots is JSON with `<`, `>` and `&` as escapes.
The same journals give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from instrumented_calc._version import __version__
from instrumented_calc.analysis.course.axis import MOST_BINS
from instrumented_calc.plain_text import plain
from instrumented_calc.reporting.document import Facts, Paragraph, Table
from instrumented_calc.reporting.html.masking import Mask, changed
from instrumented_calc.reporting.html.palette import DARK, LIGHT, variables
from instrumented_calc.reporting.html.view import RunView, first_screen, whole_view
from instrumented_calc.reporting.run.report import build_report, report_title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.read_run import ReadRun
    from instrumented_calc.reporting.document import Section

HERE = Path(__file__).parent
MOST_RUNS = 12  # shown in full
FEWEST_BINS = 60  # of each run, if there are many
FIGURE = re.compile(r"[~+-]*[0-9][0-9,.]*(?: x 10\^-?[0-9]+)?(?: \+-[0-9.e+-]+)?(?:x|%)?")
# Pieces of JSON that could end the element around it, or are line ends to a script.
IN_SCRIPT = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


@dataclass(frozen=True, slots=True)
class PageView:
    """The whole page.

    Attributes:
        title: Its title.
        runs: The runs.
        more: Number of journals that are not shown.
        overview: Sections on all of them: totals, targets.
        version: Version of instrumented-calc.
    """

    title: str
    runs: tuple[RunView, ...]
    more: int
    overview: tuple[Section, ...]
    version: str


def render_page(runs: Sequence[ReadRun], *, mask: bool = False) -> str:
    """Return a report as an HTML page.

    Args:
        runs: One per journal, at least one.
        mask: Whether to hide the names of users and hosts, and folders.
    """
    shown = runs[:MOST_RUNS]
    bins = max(MOST_BINS // len(shown), FEWEST_BINS)
    views = tuple(whole_view(run, f"run{number}", bins) for number, run in enumerate(shown, start=1))
    page = PageView(report_title(runs), views, len(runs) - len(shown), _overview(runs), __version__)
    if mask:
        page = changed(page, Mask(each.summary.journal for each in runs))
    data = _script_json({view.anchor: view.data for view in page.runs})
    style, script = _style(), _asset("page.js")
    template = _templates().get_template("page.html.jinja")
    text: str = template.render(
        page=page, data=data, style=style, script=script, style_hash=_hash(style), script_hash=_hash(script)
    )
    return text


def render_first_screen(runs: Sequence[ReadRun]) -> str:
    """Return the first screen of the page as a piece of HTML without a script, for a notebook.

    Args:
        runs: One per journal, at least one.
    """
    views = [first_screen(run) for run in runs[:MOST_RUNS]]
    template = _templates().get_template("cell.html.jinja")
    more = len(runs) - len(views)
    text: str = template.render(title=report_title(runs), runs=views, more=more, style=_style())
    return text


def _overview(runs: Sequence[ReadRun]) -> tuple[Section, ...]:
    """Return the totals of several journals and the targets."""
    document = build_report(runs)
    return tuple(
        each for each in document.sections if each.title == "Targets" or each.title.startswith("Together: ")
    )


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.tests["facts"] = lambda block: isinstance(block, Facts)
    made.tests["paragraph"] = lambda block: isinstance(block, Paragraph)
    made.tests["table"] = lambda block: isinstance(block, Table)
    made.tests["figure"] = lambda cell: cell == "-" or FIGURE.fullmatch(cell) is not None
    made.filters["plain"] = plain
    return made


@cache
def _asset(name: str) -> str:
    return (HERE / "assets" / name).read_text(encoding="utf-8").strip()


@cache
def _style() -> str:
    light, dark = variables(LIGHT), variables(DARK)
    themes = (
        f".ic{{{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{.ic:not([data-theme=light]){{{dark}}}}}\n"
        f"@media screen{{.ic[data-theme=dark]{{{dark}}}}}\n"
    )
    return themes + _asset("page.css")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _script_json(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.translate(IN_SCRIPT)
