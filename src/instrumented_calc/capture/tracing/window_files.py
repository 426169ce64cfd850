"""Chrome traces of finished windows, written beside the journal by the journal's thread."""

from __future__ import annotations

from collections import deque
from time import thread_time_ns
from typing import TYPE_CHECKING

from instrumented_calc.capture.tracing.chrome_file import chrome_trace
from instrumented_calc.journal.new_file import write_numbered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from instrumented_calc.capture.notices import Notices
    from instrumented_calc.capture.tracing.slices import TracedSlice
    from instrumented_calc.journal import records

FILES_KEPT = 10


class WindowFiles:
    """The files of one run's windows: the first ten, and those of requested windows.

    Args:
        journal: Returns the journal's path, which may change.
        notices: The run's notices.
    """

    def __init__(self, journal: Callable[[], Path | None], notices: Notices) -> None:
        self._journal = journal
        self._notices = notices
        self._planned = 0
        self._unwritten: deque[tuple[Path, list[TracedSlice], str, records.TraceWindow]] = deque()

    def plan(self, record: records.TraceWindow, slices: list[TracedSlice], *, requested: bool) -> bool:
        """Have a window's file written, and then its record, which names the file.

        Args:
            record: The window's record.
            slices: Its operations.
            requested: Whether the user has requested it.

        Returns:
            Whether a file will be written; if not, the record is left to the caller.
        """
        journal = self._journal()
        if journal is None or (self._planned >= FILES_KEPT and not requested):
            return False
        self._planned += 1
        title = f"{journal.name}, window {record.window}, calls {record.index}+{record.calls}"
        path = journal.with_name(f"{journal.stem}.trace-{record.window}.json")
        self._unwritten.append((path, slices, title, record))
        return True

    def write(self, append: Callable[[records.TraceWindow], object], excuse: Callable[[int], None]) -> None:
        """Write the planned files; the file system may hang.

        Args:
            append: Receives a window's record once its file has been written.
            excuse: Takes the CPU time of each file, in ns.
        """
        while True:
            try:
                path, slices, title, record = self._unwritten.popleft()
            except IndexError:
                return
            began = thread_time_ns()
            try:
                text, left_out = chrome_trace(slices, title)
                path = write_numbered(path, text)
                record.file = path.name
            except OSError as error:
                self._notices.info("trace-file-lost", f"{path.name} cannot be written: {error}")
                continue
            finally:
                del slices
                append(record)
                excuse(thread_time_ns() - began)
            if left_out:
                self._notices.info(
                    "trace-file-cut",
                    f"{path.name} would be too large: its {left_out} shortest operations are omitted",
                    left_out=left_out,
                )
