"""Command lines without options that need no parser: typer takes longer to load than `watch` to draw.

Whatever else is on such a line, also an error, is left to typer.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from instrumented_calc._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def without_parser(words: Sequence[str]) -> Callable[[], None] | None:
    """Return the function that a command line calls: `--version`, `watch` or `watch RUN.JSONL`.

    Args:
        words: Arguments after the program's name.

    Returns:
        The function, or None if the line has to be parsed.
    """
    match words:
        case ["--version" | "-V"]:
            return print_version
        case ["watch"]:
            return _watching(None)
        case ["watch", name] if not name.startswith("-"):
            return _watching(Path(name))
    return None


def print_version() -> None:
    """Print name and version of the program."""
    print(f"instrumented-calc {__version__}")  # noqa: T201 - the answer


def _watching(journal: Path | None) -> Callable[[], None]:
    from instrumented_calc.cli.watch_loop import watch_run

    return partial(watch_run, journal)
