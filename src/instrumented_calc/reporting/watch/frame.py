"""One picture of a run in progress: rows of a fixed width, with or without colours."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from instrumented_calc.plain_text import plain, printable
from instrumented_calc.quantities import bytes_of, duration
from instrumented_calc.reporting.run import identity
from instrumented_calc.reporting.run.summary_colours import MARK, RUN, SEGMENTS
from instrumented_calc.reporting.run.summary_layout import LABEL_WIDTH
from instrumented_calc.reporting.run.time_bar import draw_time
from instrumented_calc.reporting.sparkline import sparkline
from instrumented_calc.reporting.watch import panels, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.analysis.watching.watch_state import WatchState

LEAST_WIDTH, LEAST_HEIGHT = 40, 10
LONGEST_LINE = 64  # characters of a sparkline
STYLES = {
    "STARTING": "bold cyan",
    "RUNNING": "bold green",
    "WAITING": "bold yellow",
    "SILENT": "bold yellow",
    "ENDED": "bold blue",
    "FAILED": "bold red",
    "KILLED": "bold red",
}
ALARMS = (r"\bBROKEN\b.*", r"\bFULL IN\b.*", r"\bDOES NOT FIT\b")
LABEL = r"^[a-z]+ {2,}"
KEYS = "q quit   p pause   tab next panel   ? help"
HELP = (
    "q      quit; the run continues",
    "p      pause and continue the display",
    "tab    the next panel: findings, parts, about",
    "?      this help",
    "",
    "The viewer only reads the journal: it costs the run nothing, and may be ended and started at any time,",
    "also on another machine that sees the file.",
)


@dataclass(frozen=True, slots=True)
class View:
    """How a run is shown.

    Attributes:
        width: Columns.
        height: Rows; None: as many as there are.
        panel: Which panel is shown first.
        paused: Whether the display is paused.
        help: Whether the keys are explained.
        keys: Whether keys can be pressed.
        ascii_only: Whether only ASCII characters can be shown.
        note: A remark on the viewer itself.
    """

    width: int = 80
    height: int | None = None
    panel: int = 0
    paused: bool = False
    help: bool = False
    keys: bool = False
    ascii_only: bool = False
    note: str = ""


def draw(state: WatchState, view: View) -> list[Text]:
    """Return the rows of the picture, none wider than the view, and not more than its height."""
    width = max(view.width, LEAST_WIDTH)
    lines = [_styled(line) for line in _fitting(_overview(state, view), width)]
    below = [_footer(state, view)] if view.keys or view.note else []
    room = None if view.height is None else max(view.height, LEAST_HEIGHT) - len(lines) - len(below)
    lines += _help() if view.help else _panels(state, view, width, room)
    if room is not None:
        most = max(view.height or 0, LEAST_HEIGHT) - len(below)
        lines = lines[:most]
        lines += [Text() for _ in range(most - len(lines))]
    for line in (*lines, *below):
        line.no_wrap = True
        line.truncate(view.width, overflow="crop")
    return [*lines, *below]


def _overview(state: WatchState, view: View) -> Iterator[str]:
    """Yield the rows that are always shown; a row without content is left out."""
    yield f"{words.state_word(state):<{LABEL_WIDTH}}{_name(state)}"
    rows = (
        ("", words.what_happens(state)),
        ("run", words.what_runs(state)),
        ("at", words.progress(state)),
        ("", _progress_bar(state, view)),
        ("speed", words.speed(state)),
        ("ends", words.end_expected(state)),
        ("", words.job_limit(state)),
        ("physics", words.physics(state)),
        ("memory", words.memory(state)),
        ("", _line(state.memory_line, view, bytes_of)),
        ("device", words.device(state)),
        ("latency", words.latency(state)),
        ("", _line(state.latency_line, view, duration)),
        *_time_rows(state),
    )
    for label, text in rows:
        if text:
            yield f"{label:<{LABEL_WIDTH}}{text}"


def _name(state: WatchState) -> str:
    host = state.start.environment.host if state.start is not None else None
    on = f" on {identity.one_line(host)}" if host else ""
    return f"{identity.one_line(state.path.rpartition('/')[2])}{on}  {state.at[11:19]} UTC"


def _progress_bar(state: WatchState, view: View) -> str:
    if state.step is None or not state.until_step:
        return ""
    width = min(view.width, 80) - LABEL_WIDTH
    done = min(int(width * state.step / state.until_step), width)
    full, empty = ("#", ".") if view.ascii_only else ("\u2588", "\u2591")
    return full * done + empty * (width - done)


def _line(values: tuple[float | None, ...], view: View, form: object) -> str:
    known = [value for value in values if value is not None]
    if len(known) < 3:  # noqa: PLR2004 - a line through less tells nothing
        return ""
    show = form if callable(form) else str
    ends = f" {show(known[0])} -> {show(known[-1])}"
    room = min(view.width - LABEL_WIDTH - len(ends), LONGEST_LINE)
    return sparkline(values, max(room, 1), ascii_only=view.ascii_only) + ends


def _time_rows(state: WatchState) -> list[tuple[str, str]]:
    names = {identity.calculator_name(lane) for lane in state.lanes}
    drawn = draw_time(state.recent, names.pop() if len(names) == 1 else "the calculator")
    return [] if drawn is None else [("time", drawn.bar), ("", drawn.legend)]


def _panels(state: WatchState, view: View, width: int, room: int | None) -> list[Text]:
    """Return the panels, the chosen one first, as far as there is room."""
    found = [(title, rows) for title, rows in panels.all_panels(state) if rows]
    if not found:
        return []
    first = view.panel % len(found)
    lines: list[Text] = []
    for title, rows in (*found[first:], *found[:first]):
        lines += [Text(), Text(title, "bold")]
        lines += [Text(line) for line in _fitting((f"  {row}" for row in rows), width, indent=4)]
        if room is not None and len(lines) >= room:
            break
    return lines


def _help() -> list[Text]:
    return [Text(), Text("Keys", "bold"), *(Text(f"  {line}") for line in HELP)]


def _footer(state: WatchState, view: View) -> Text:
    words_ = ["PAUSED" if view.paused else "", view.note, KEYS if view.keys else ""]
    if state.unread:
        words_.append(f"reading, {100 * (1 - state.unread):.0f} %")
    return Text("   ".join(filter(None, words_)), "reverse" if view.paused else "dim")


def _fitting(rows: Iterator[str], width: int, indent: int = LABEL_WIDTH) -> Iterator[str]:
    for row in rows:
        shown = plain(row)
        if len(shown) <= width:
            yield shown.rstrip()
            continue
        yield from textwrap.wrap(
            shown,
            width,
            subsequent_indent=" " * indent,
            max_lines=3,
            placeholder=" ...",
            break_on_hyphens=False,
        )


def _styled(line: str) -> Text:
    text = Text(printable(line))
    word = line.partition(" ")[0]
    if word in STYLES:
        text.stylize(STYLES[word], 0, len(word))
    text.highlight_regex(LABEL, "dim")
    for pattern in ALARMS:
        text.highlight_regex(pattern, "bold red")
    if line.startswith("time "):
        for found in RUN.finditer(line, LABEL_WIDTH):
            text.stylize(SEGMENTS.get(found[0][0], "dim"), *found.span())
    elif line.startswith(" " * LABEL_WIDTH) and " %" in line:
        for found in MARK.finditer(line):
            text.stylize(SEGMENTS.get(found[0], ""), *found.span())
    return text
