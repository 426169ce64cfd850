"""Progress of long work: a bar on a terminal, a plain line periodically in a file."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Progress = Callable[[str, int, int], None]

# In a file: the shortest interval between lines, which are read afterwards.
PLAIN_EVERY_S = 30.0
# On a terminal: a step may take microseconds, while updating the bar takes tens of them.
BAR_EVERY_S = 0.1


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Show progress on stderr.

    Yields:
        A function that takes the name of the work, the amount done, and the total.
    """
    if sys.stderr is None:
        yield lambda *_: None
        return
    if not sys.stderr.isatty():
        yield _plain()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Transient: a summary that is printed meanwhile appears above the bar, and is the end of what remains.
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _bars(bar)


def _bars(bar: Any, clock: Callable[[], float] = time.monotonic) -> Progress:
    tasks: dict[str, Any] = {}
    shown = 0.0

    def update(name: str, done: int, total: int) -> None:
        nonlocal shown
        now = clock()
        if now - shown < BAR_EVERY_S and done < total and name in tasks:
            return
        shown = now
        if name not in tasks:
            tasks[name] = bar.add_task(name, total=total)
        bar.update(tasks[name], completed=done)

    return update


def _plain(clock: Callable[[], float] = time.monotonic) -> Progress:
    began: dict[str, tuple[float, int]] = {}
    printed = clock()

    def update(name: str, done: int, total: int) -> None:
        nonlocal printed
        now = clock()
        first, done_then = began.setdefault(name, (now, done))
        if now - printed < PLAIN_EVERY_S or done == done_then:
            return
        printed = now
        left = (now - first) * (total - done) / (done - done_then)
        print(f"{name}: {done:,} of {total:,}, about {left:.0f} s left", file=sys.stderr)  # noqa: T201 - its purpose

    return update
