"""Requests to a running process by touching a file: its stacks, its newest calls."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from instrumented_calc.capture.run.stalls import open_calls_of, stack_lines
from instrumented_calc.capture.thread_stacks import all_stacks
from instrumented_calc.capture.touch_files import Touched
from instrumented_calc.journal.new_file import write_numbered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from instrumented_calc.capture.notices import Notices
    from instrumented_calc.capture.rows.outbox import Outbox
    from instrumented_calc.capture.rows.row_maker import RowMaker

LOOK_EVERY_NS = 500_000_000
SHARE = 50  # divisor: the part of the time that answers may take, however often a request is repeated
RAREST_LOOK_NS = 10_000_000_000


class Requests:
    """Answers `<journal>.stacks` and `<journal>.dump`, from the journal's thread.

    Args:
        maker: Makes the run's rows.
        outbox: Passes them to the journal.
        journal: Returns the journal's path, which may change.
        notices: The run's notices.
    """

    def __init__(
        self, maker: RowMaker, outbox: Outbox, journal: Callable[[], Path | None], notices: Notices
    ) -> None:
        self._maker = maker
        self._outbox = outbox
        self._journal = journal
        self._notices = notices
        self._next_look = 0
        self._stacks = Touched(".stacks", journal, notices)
        self._dump = Touched(".dump", journal, notices)

    def look(self, now: int) -> None:
        """Answer pending requests.

        Args:
            now: The run's clock, in ns.
        """
        journal = self._journal()
        if now < self._next_look or journal is None:
            return
        began = time.perf_counter_ns()
        self._answer(journal, now)
        self._next_look = now + max(
            LOOK_EVERY_NS, min(SHARE * (time.perf_counter_ns() - began), RAREST_LOOK_NS)
        )

    def _answer(self, journal: Path, now: int) -> None:
        if self._stacks.take():
            text = all_threads_text(self._maker, now)
            self._write(journal.with_name(f"{journal.name}.stacks.txt"), text.encode(errors="replace"))
        if self._dump.take():
            self._outbox.drain()
            newest = self._outbox.newest_calls()
            if newest:
                self._write(journal.with_name(f"{journal.name}.dumped"), newest)
            else:
                self._notices.info("dumped", "all calls so far are in the journal")

    def _write(self, path: Path, content: bytes) -> None:
        try:
            written = write_numbered(path, content)
        except OSError as error:
            self._notices.warn("request-failed", f"{path}: {error.strerror or error}; nothing was written")
        else:
            self._notices.info("request-answered", f"wrote {written.name}")


def all_threads_text(maker: RowMaker, now: int) -> str:
    """Return the stacks of all other threads, each with its open recorded call.

    Args:
        maker: Makes the run's rows.
        now: The run's clock, in ns.
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    calls = {thread: entries[-1] for thread, entries in open_calls_of(maker)}
    paragraphs = []
    for thread, frame in all_stacks().items():
        if thread == threading.get_ident():
            continue
        title = f"thread {names.get(thread, thread)}"
        if thread in calls:
            entry = calls[thread]
            title += f": call {entry.index}, open for {(now - entry.start) / 1e9:.3f} s"
        paragraphs.append("\n".join([title, *stack_lines(frame)]))
    return "\n\n".join(paragraphs) + "\n"
