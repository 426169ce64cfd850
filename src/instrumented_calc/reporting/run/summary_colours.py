"""Colours of the closing summary and of the report on a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from instrumented_calc.reporting.run.time_bar import MARKS
from instrumented_calc.reporting.sparkline import with_blocks

if TYPE_CHECKING:
    from rich.text import Text

LABELS = {
    "BROKEN": "bold red",
    "PROBLEM": "bold red",
    "SLOW": "bold yellow",
    "LOOK AT": "bold yellow",
    "ENDED": "bold magenta",
    "NOTE": "bold cyan",
}
LABEL = "dim"
INDENTED_LABEL = r"(?m)^  (?:in|change|write|saves|causes)\b"
SEGMENTS = dict(zip(MARKS, ("blue", "cyan", "green", "yellow", "magenta", "red"), strict=True))
TIME = re.compile(r"^time +(?P<bar>\S+)\n +(?P<legend>.+)$", re.MULTILINE)
RUN = re.compile(r"(\S)\1*")
MARK = re.compile(r"(?<=  )\S(?= )")


def coloured(text: str, stream: Any) -> str:
    """Return a summary or a report with colours if a stream is a terminal that shows them; else unchanged.

    NO_COLOR and TERM=dumb are respected.

    Args:
        text: The summary or the report.
        stream: Where it will be written.
    """
    is_terminal = getattr(stream, "isatty", None)
    if is_terminal is None or not is_terminal():
        return text
    text = with_blocks(text, getattr(stream, "encoding", None))
    from rich.console import Console  # noqa: PLC0415 - a pipe needs no rich
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=stream)
    if console.no_color or console.color_system is None:
        return text
    styled = Text(text)
    _style(styled)
    with console.capture() as captured:
        console.print(styled, soft_wrap=True, end="")
    return captured.get()


def _style(text: Text) -> None:
    text.highlight_regex(r"(?m)^[a-z]+ {2,}", LABEL)
    text.highlight_regex(INDENTED_LABEL, LABEL)
    for label, style in LABELS.items():
        text.highlight_regex(rf"(?m)^{label}\b", style)
    drawn = TIME.search(text.plain)
    if drawn is None:
        return
    for pattern, where in ((RUN, "bar"), (MARK, "legend")):
        for found in pattern.finditer(text.plain, *drawn.span(where)):
            text.stylize(SEGMENTS.get(found[0][0], LABEL), *found.span())
