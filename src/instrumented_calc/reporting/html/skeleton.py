"""What all pages have in common: a file that loads nothing, with its style, its script and its numbers.

The policy of a page allows only the style and the script in it, by their hashes. All text is escaped by the
template engine; data is JSON with `<`, `>` and `&` as escapes. The same values give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from instrumented_calc._version import __version__
from instrumented_calc.plain_text import escaped_json, plain
from instrumented_calc.reporting.document import Facts, Paragraph, Table
from instrumented_calc.reporting.html.palette import DARK, LIGHT, variables

HERE = Path(__file__).parent
FIGURE = re.compile(r"[~+-]*[0-9][0-9,.]*(?: x 10\^-?[0-9]+)?(?: \+-[0-9.e+-]+)?(?:x|%)?")
# Pieces of JSON that could end the element around it, or are line ends to a script.
IN_SCRIPT = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def whole_page(template: str, *, plots: Any, numbers: Any, **shown: Any) -> str:
    """Return a page.

    Args:
        template: File name of its template, which extends `base.html.jinja`.
        plots: What the script draws, a JSON value.
        numbers: All numbers, to be saved by the reader, a JSON value.
        shown: What the template shows.
    """
    style, script = page_style(), _asset("page.js")
    text: str = (
        templates()
        .get_template(template)
        .render(
            plots=_script_json(plots),
            numbers=_script_json(numbers),
            style=style,
            script=script,
            style_hash=_hash(style),
            script_hash=_hash(script),
            version=__version__,
            **shown,
        )
    )
    return text


@cache
def templates() -> Environment:
    """Return the template engine."""
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
def page_style() -> str:
    """Return the style sheet with the colours of both themes."""
    light, dark = variables(LIGHT), variables(DARK)
    themes = (
        f".ic{{{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{.ic:not([data-theme=light]){{{dark}}}}}\n"
        f"@media screen{{.ic[data-theme=dark]{{{dark}}}}}\n"
    )
    return themes + _asset("page.css")


@cache
def _asset(name: str) -> str:
    return (HERE / "assets" / name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _script_json(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return escaped_json(text).translate(IN_SCRIPT)
