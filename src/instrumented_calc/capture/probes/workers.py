"""The number of processes that Python's multiprocessing has started, also for pools and executors."""

from __future__ import annotations

import re
import sys


def workers_started() -> int | None:
    """Return how many processes multiprocessing has started so far; None if this Python does not tell."""
    module = sys.modules.get("multiprocessing.process")
    if module is None:
        return 0
    # The counter from which it names processes. Only its text shows the number without increasing it.
    found = re.fullmatch(r"count\((\d+)\)", repr(getattr(module, "_process_counter", None)))
    return None if found is None else int(found[1]) - 1
