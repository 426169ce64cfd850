"""Files that a user touches next to the journal to send a request to a running process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from instrumented_calc.capture.notices import Notices


class Touched:
    """One kind of request: `<journal>.trace`, `<journal>.stacks`, `<journal>.dump`.

    Args:
        suffix: Suffix added to the journal's name.
        journal: Returns the journal's path, which may change.
        notices: The run's notices.
    """

    def __init__(self, suffix: str, journal: Callable[[], Path | None], notices: Notices) -> None:
        self._suffix = suffix
        self._journal = journal
        self._notices = notices
        self._stays: Path | None = None  # a file that cannot be removed: answered only once

    def take(self) -> bool:
        """Return whether the file exists, and remove it."""
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
            text = (
                f"{path.name} is answered only once, because it cannot be removed ({error.strerror or error})"
            )
            self._notices.info("request-file-stays", text)
        return True
