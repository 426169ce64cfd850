"""Other programs that keep processors busy: grandchildren, so that they do not count as the run's own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOP = "import signal; signal.alarm(120)\nwhile True: pass"
START = (
    "import subprocess, sys; "
    f"print(subprocess.Popen([sys.executable, '-c', {LOOP!r}], stdout=subprocess.DEVNULL).pid)"
)


@contextlib.contextmanager
def busy_programs(number: int) -> Iterator[None]:
    """Keep a number of processors busy; the programs end with the block, or after two minutes."""
    started = [
        int(subprocess.run([sys.executable, "-c", START], stdout=subprocess.PIPE, check=True).stdout)
        for _ in range(number)
    ]
    try:
        yield
    finally:
        for each in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGTERM)
