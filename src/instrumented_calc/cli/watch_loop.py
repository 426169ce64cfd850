"""Show a run in progress: the work of the command `watch`."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from instrumented_calc.analysis.watching.watcher import Watcher
from instrumented_calc.cli.newest_journal import newer_journal, newest_journal
from instrumented_calc.cli.watch_screen import can_be_drawn_on, open_screen
from instrumented_calc.errors import JournalReadError
from instrumented_calc.plain_text import plain, shown_path

if TYPE_CHECKING:
    from instrumented_calc.analysis.watching.watch_state import WatchState
    from instrumented_calc.cli.watch_screen import WatchScreen

TICK_S = 1.0
CATCH_UP_S = 0.1  # of each tick, for the middle of a large journal
ALL_S = 60.0  # the same where the state is printed once
NEWER_EVERY_S = 2.0
NICENESS = 10  # a viewer beside the run must not slow it down
DRAWN = "\u2581\u2588\u2591"


def watch_run(journal: Path | None, *, once: bool = False, as_json: bool = False) -> None:
    """Show a run: live on a terminal, otherwise once.

    Args:
        journal: Its journal; None: the newest in this folder.
        once: Whether to print the state once on a terminal, too.
        as_json: Whether to print it as JSON.

    Raises:
        JournalReadError: There is no journal, or it cannot be read.
    """
    if once or as_json or not can_be_drawn_on():
        print_state(journal, as_json=as_json)
    else:
        watch_live(journal)


def print_state(journal: Path | None, *, as_json: bool) -> None:
    """Print the state of a run once.

    Args:
        journal: Its journal; None: the newest in this folder.
        as_json: Whether to print JSON instead of text.

    Raises:
        JournalReadError: There is no journal, or it cannot be read.
    """
    state = Watcher(journal or newest_journal(Path())).look(catch_up_s=ALL_S)
    if as_json:
        from instrumented_calc.reporting.watch.state_json import render_watch_json

        print(render_watch_json(state), end="")  # noqa: T201 - the answer
        return
    import shutil

    from instrumented_calc.reporting.watch.frame import View, draw

    width = shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else 80
    view = View(width=width, ascii_only=_ascii_only())
    print("\n".join(line.plain for line in draw(state, view)))  # noqa: T201 - the answer


def watch_live(journal: Path | None) -> None:
    """Show a run on the terminal until a key or a signal ends the viewer.

    Args:
        journal: Its journal; None: the newest in this folder, and the next one when its run is over.

    Raises:
        JournalReadError: There is no journal, or it cannot be read.
    """
    watcher = Watcher(journal or newest_journal(Path()))
    state = watcher.look()  # an error is printed on a terminal that is as it was
    with suppress(OSError, AttributeError):
        os.nice(NICENESS)
    with open_screen() as screen:
        _Display(watcher, state, screen, follows=journal is None).run()


class _Display:
    """The running viewer.

    Args:
        watcher: Reads the journal.
        state: The first state.
        screen: The terminal.
        follows: Whether a newer journal in the folder is shown when this run is over.
    """

    def __init__(self, watcher: Watcher, state: WatchState, screen: WatchScreen, *, follows: bool) -> None:
        from instrumented_calc.reporting.watch.frame import View

        self._watcher, self._state, self._screen, self._follows = watcher, state, screen, follows
        self._view = View(keys=screen.has_keys, ascii_only=_ascii_only())
        self._next_search = time.monotonic()

    def run(self) -> None:
        """Show, wait for a key or the next tick, and read."""
        from instrumented_calc.reporting.watch.frame import draw

        while True:
            width, height = self._screen.size
            self._view = replace(self._view, width=width, height=height)
            self._screen.paint(draw(self._state, self._view))
            pressed = self._screen.key(0.0 if self._state.unread and not self._view.paused else TICK_S)
            if "q" in pressed or "Q" in pressed:
                return
            self._press(pressed)
            if not self._view.paused:
                self._read()

    def _press(self, keys: str) -> None:
        for key in keys:
            if key in "pP ":
                self._view = replace(self._view, paused=not self._view.paused)
            elif key == "\t":
                self._view = replace(self._view, panel=self._view.panel + 1, help=False)
            elif key in "?h":
                self._view = replace(self._view, help=not self._view.help)

    def _read(self) -> None:
        note = ""
        try:
            self._state = self._watcher.look(CATCH_UP_S)
        except JournalReadError as error:  # of a network file system, for a while
            note = plain(str(error), longest=60)
        if self._watcher.is_gone:
            note = "the journal has been moved or deleted"
        newer = self._newer() if self._state.life == "over" or self._watcher.is_gone else None
        if newer is not None and self._follows:
            self._watcher = Watcher(newer)
            with suppress(JournalReadError):
                self._state = self._watcher.look()
            note = f"continues with {newer.name}"
        elif newer is not None:
            note = f"{shown_path(newer.name)} is newer"
        if note or time.monotonic() >= self._next_search:
            self._view = replace(self._view, note=note)

    def _newer(self) -> Path | None:
        if time.monotonic() < self._next_search:
            return None
        self._next_search = time.monotonic() + NEWER_EVERY_S
        return newer_journal(self._watcher.path)


def _ascii_only() -> bool:
    try:
        DRAWN.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False
