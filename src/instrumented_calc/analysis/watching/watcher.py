"""Look at a run in progress again and again: a mere reader of its files."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from instrumented_calc.analysis.watching.clocks import last_sign, started
from instrumented_calc.analysis.watching.observe import observe
from instrumented_calc.analysis.watching.observed_run import ObservedRun
from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal.black_box_files import files_beside, run_id_of
from instrumented_calc.journal.growing_file import GrowingFile
from instrumented_calc.journal.process_alive import writer_is_alive
from instrumented_calc.journal.run_start import looks_like
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from instrumented_calc.analysis.watching.watch_state import WatchState


class Watcher:
    """The run of one journal, in progress.

    Args:
        path: The journal.
        clock: Returns Unix time, s.
        is_alive: Given a run's first record, returns whether its process is running; None if unknown.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.time,
        is_alive: Callable[..., bool | None] = writer_is_alive,
    ) -> None:
        self.path = path
        self._clock = clock
        self._is_alive = is_alive
        self._file = GrowingFile(path)
        self._boxes: dict[Path, GrowingFile] = {}
        self._run = ObservedRun()
        self._clock_s: float | None = None
        self._looks = 0

    def look(self, catch_up_s: float = 0.0) -> WatchState:
        """Read what is new and return the state of the run.

        Args:
            catch_up_s: Time that may be spent on the middle of a large journal, which the first look skips.

        Raises:
            JournalReadError: The file cannot be read, or is not a journal of this program.
        """
        alive = self._alive() if self._looks else None
        self._read()
        if not self._looks:
            alive = self._alive()
            self._read()  # what was written before it ended
        self._looks += 1
        self._catch_up(catch_up_s)
        now = self._clock()
        unread = self._file.skipped_bytes / max(self._file.size, 1)
        state = observe(
            self._run,
            str(self.path),
            now,
            alive=alive,
            clock_s=self._clock_s or 0.0,
            torn=self._file.torn,
        )
        return replace(state, unread=unread)

    @property
    def is_gone(self) -> bool:
        """Whether the journal has been deleted or moved since the first look."""
        return self._file.is_gone

    def _alive(self) -> bool | None:
        return self._is_alive(self._run.start) if self._run.end is None else False

    def _read(self) -> None:
        news = self._file.look()
        if news.anew:
            self._run, self._boxes, self._clock_s = ObservedRun(), {}, None
        self._run.add(news.lines)
        if not self._run.seen and self._file.size:
            self._refuse()
        if self._run.newest_slice is not None and self._run.start is not None:
            self._read_black_box(self._run.start.run_id)
        if news.grown:
            self._compare_clocks(first=not self._looks)

    def _refuse(self) -> None:
        """Say what the file is, unless its first line is not complete yet."""
        try:
            with self.path.open("rb") as file:
                head = file.read(64 * 1024)
        except OSError:
            return
        if b"\n" in head or not head.startswith(b'{"event":'[: len(head)]):
            where = shown_path(self.path)
            message = f"{where}:1: not a journal, {looks_like(head)}; give a journal such as run.jsonl"
            raise JournalReadError(message)

    def _read_black_box(self, run_id: str) -> None:
        """Read the newest calls of a thinned journal, which has sums."""
        for path in files_beside(self.path):
            if path not in self._boxes and run_id_of(path) == run_id:
                self._boxes[path] = GrowingFile(path)
        for box in self._boxes.values():
            with suppress(JournalReadError):
                self._run.add(box.look().lines)

    def _compare_clocks(self, *, first: bool) -> None:
        """Estimate how far the clock of the run's machine is behind, from records that have just arrived."""
        began, newest = started(self._run), last_sign(self._run)
        if began is None or newest is None or self._is_alive(self._run.start) is not None:
            return
        late = self._clock() - began - newest / 1e9
        if first:
            self._clock_s = min(late, 0.0)  # the newest record may be old, but is not of the future
        else:
            self._clock_s = late if self._looks == 1 else min(late, self._clock_s or late)

    def _catch_up(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._file.skipped_bytes and time.monotonic() < until:
            self._run.add(self._file.read_skipped())
