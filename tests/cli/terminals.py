"""A program in a real pseudo-terminal, and what can be seen on it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOME = "\x1b[H"
SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][A-Z0-9])")
PATIENCE_S = 60.0


class Terminal:
    """A terminal with one program in it.

    Args:
        folder: Working directory of the program.
        arguments: Of `instrumented-calc`.
        columns: Width.
        rows: Height.
    """

    def __init__(self, folder: Path, *arguments: str, columns: int = 80, rows: int = 24) -> None:
        self.columns, self.rows = columns, rows
        self.pid, self.master = pty.fork()
        if not self.pid:
            os.chdir(folder)
            os.environ.update(TERM="xterm-256color", PYTHONIOENCODING="utf-8", COLUMNS="", LINES="")
            del os.environ["COLUMNS"], os.environ["LINES"]
            time.sleep(0.05)  # until the size is set
            os.execv(sys.executable, [sys.executable, "-m", "instrumented_calc", *arguments])  # noqa: S606 - no shell
        self.resize(columns, rows)
        self.before = termios.tcgetattr(self.master)
        self.output = ""
        self.status: int | None = None

    def resize(self, columns: int, rows: int) -> None:
        """Change the size of the window."""
        self.columns, self.rows = columns, rows
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds: float = 0.1) -> None:
        """Take what the program writes within a time."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                return
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the program has ended
                return
            if not data:
                return
            self.output += data.decode("utf-8", "replace")

    def picture(self) -> list[str]:
        """Return the rows of the last whole picture, as they can be read."""
        frames = self.output.split(HOME)
        whole = [frame for frame in frames[1:] if frame.rstrip().endswith("\x1b[J") or "\x1b[J" in frame]
        if not whole:
            return []
        body = whole[-1].partition("\x1b[J")[0]
        return [SEQUENCE.sub("", row) for row in body.split("\r\n")]

    def wait_for(self, seen: Callable[[str], bool]) -> list[str]:
        """Return the picture once it is as wanted."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            self.read()
            if seen("\n".join(self.picture())):
                return self.picture()
            if self.ended():
                break
        message = f"not seen; the last picture:\n{chr(10).join(self.picture())}\n{self.output[-500:]!r}"
        raise AssertionError(message)

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def ended(self) -> bool:
        """Return whether the program has ended."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is not None

    def end(self) -> int:
        """Wait for the program's end and return its status, as `os.waitpid` gives it."""
        until = time.monotonic() + PATIENCE_S
        while not self.ended() and time.monotonic() < until:
            self.read(0.05)
        self.read()
        assert self.status is not None
        return self.status

    def is_restored(self) -> bool:
        """Return whether the terminal is as it was: modes, cursor and screen."""
        left = self.output.rfind("\x1b[?1049l") > self.output.rfind("\x1b[?1049h")
        shown = self.output.rfind("\x1b[?25h") > self.output.rfind("\x1b[?25l")
        return left and shown and termios.tcgetattr(self.master)[3] == self.before[3]

    def close(self) -> None:
        """End the program if it runs."""
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)
