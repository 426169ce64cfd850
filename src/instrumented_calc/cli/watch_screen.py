"""A terminal that is drawn on, row by row, and left as it was found whatever happens."""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from rich.text import Text

ENTER = b"\x1b[?1049h\x1b[?25l"  # the alternate screen, without a cursor
LEAVE = b"\x1b[?25h\x1b[?1049l"
HOME, END_OF_ROW, END_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
ENDING = ("SIGTERM", "SIGHUP", "SIGQUIT")


class EndedBySignal(BaseException):
    """A signal that ends the viewer, after the terminal is restored.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def can_be_drawn_on() -> bool:
    """Return whether stdout is a terminal with a cursor that can be moved."""
    if sys.stdout is None or not sys.stdout.isatty() or os.name != "posix":
        return False
    return os.environ.get("TERM", "") not in {"", "dumb", "unknown"}


class WatchScreen:
    """The terminal, while `open_screen` has it."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(file=sys.stdout, legacy_windows=False)
        self._out = sys.stdout.fileno()
        stdin: Any = sys.stdin
        self._keys: int | None = stdin.fileno() if stdin is not None and stdin.isatty() else None
        self._modes: list[Any] | None = None

    @property
    def has_keys(self) -> bool:
        """Whether keys can be pressed."""
        return self._keys is not None

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        with suppress(OSError):
            found = os.get_terminal_size(self._out)
            if found.columns > 0 and found.lines > 0:
                return found.columns, found.lines
        return 80, 24

    def paint(self, rows: Sequence[Text]) -> None:
        """Draw all rows from the top."""
        with self._console.capture() as captured:
            for number, row in enumerate(rows):
                self._console.print(row, end="", soft_wrap=True)
                self._console.out(
                    END_OF_ROW + ("\r\n" if number < len(rows) - 1 else ""), end="", highlight=False
                )
        self._write((HOME + captured.get() + END_OF_SCREEN).encode(sys.stdout.encoding or "utf-8", "replace"))

    def key(self, timeout_s: float) -> str:
        """Return the keys that are pressed within this time, or nothing."""
        if self._keys is None:
            select.select([], [], [], timeout_s)
            return ""
        ready, _, _ = select.select([self._keys], [], [], timeout_s)
        if not ready:
            return ""
        pressed = os.read(self._keys, 64)
        if not pressed:  # the terminal has gone
            self._keys = None
        return pressed.decode("latin-1")

    def enter(self) -> None:
        """Take the terminal."""
        if self._keys is not None:
            import termios
            import tty

            self._modes = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)
        self._write(ENTER)

    def leave(self) -> None:
        """Give it back as it was."""
        with suppress(OSError):
            self._write(LEAVE)
        if self._modes is not None and self._keys is not None:
            import termios

            with suppress(termios.error, OSError):
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._modes)
            self._modes = None

    def suspend(self, *_: Any) -> None:
        """Stop, as Ctrl-Z asks for, with the terminal as it was; continue where it stopped."""
        self.leave()
        ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, ours)
        self.enter()

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._out, data) :]


@contextmanager
def open_screen() -> Iterator[WatchScreen]:
    """Take the terminal for a while.

    Yields:
        The screen. A signal that ends the program takes effect after the terminal is restored.
    """
    screen = WatchScreen()
    before: dict[int, Any] = {}
    ended: int | None = None
    try:
        for name in ENDING:
            number = getattr(signal, name)
            before[number] = signal.signal(number, _end)
        before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, screen.suspend)
        screen.enter()
        yield screen
    except EndedBySignal as error:
        ended = error.number
    finally:
        # A second signal takes effect afterwards.
        signal.pthread_sigmask(signal.SIG_BLOCK, before)
        screen.leave()
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, before)
    if ended is not None:
        signal.signal(ended, signal.SIG_DFL)
        os.kill(os.getpid(), ended)


def _end(number: int, _: FrameType | None) -> None:
    raise EndedBySignal(number)
