"""Files that a user touches beside the journal to ask a running process for something."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from instrumented_calc.capture.notices import Notices


class Touched:
    """One kind of request: `<journal>.trace`, `<journal>.stacks`, `<journal>.dump`.

    Args:
        suffix: What follows the journal's name.
        journal: Gives the journal's path, which may change.
        notices: The run's notices.
    """

    def __init__(self, suffix: str, journal: Callable[[], Path | None], notices: Notices) -> None:
        self._suffix = suffix
        self._journal = journal
        self._notices = notices
        self._stays: Path | None = None  # a file that was seen and cannot be removed: it asks only once

    def take(self) -> bool:
        """Tell whether the file is there, and remove it."""
        journal = self._journal()
        if journal is None:
            return False
        path = journal.with_name(f"{journal.name}{self._suffix}")
        if not path.exists():
            self._stays = None
            return False
        if self._stays == path:
            return False
        try:
            path.unlink()
        except OSError as error:
            self._stays = path
            text = f"{path.name} is answered once: it cannot be removed ({error.strerror or error})"
            self._notices.info("request-file-stays", text)
        return True
