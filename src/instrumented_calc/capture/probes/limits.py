"""Limits that kill a run when exhausted: memory and file descriptors."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from instrumented_calc.capture.environment.cgroups import ROOT, MemoryGroup, memory_groups, oom_kills
from instrumented_calc.foreign import is_foreign
from instrumented_calc.own_process import KIB, memory_in_use, open_file_limit, physical_memory

if TYPE_CHECKING:
    from instrumented_calc.journal.records import Machine

NEAR = 0.8  # of the limit: above this a rise is recorded separately
RISE = 0.02


class MemoryWatch:
    """Reads the memory of the process, of its control groups and of the machine.

    Args:
        root: Root of the file system.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._physical = physical_memory()
        self._share = 0.0  # share of the limit in use at the last reading
        self._groups: list[MemoryGroup] | None = None  # found at each reading, as limits may change

    def read(self, machine: Machine) -> None:
        """Set the known fields."""
        machine.rss_bytes, peak = memory_in_use(self._root / "proc/self/status")
        if peak is not None:
            machine.peak_rss_bytes = peak
        machine.available_bytes = available = self._available()
        self._groups = memory_groups(self._physical, self._root)
        used = [(group.used_bytes(), group.limit_bytes) for group in self._groups]
        if used:
            fullest = max(used, key=lambda pair: pair[0] / pair[1])
            machine.cgroup_memory_bytes, machine.cgroup_memory_limit_bytes = fullest
        kills = oom_kills(self._root)
        if kills is not None:
            machine.oom_kills = kills
        self._share = max([self._share_of_machine(available), *(have / limit for have, limit in used)])

    def is_filling(self) -> bool:
        """Return whether memory is near its limit and has grown much since `read`.

        Called twice per second, so it reads as few files as possible: caches, which take several files, only
        for a group that is near its limit with them.
        """
        if self._groups is None:
            self._groups = memory_groups(self._physical, self._root)
        enough = max(NEAR, self._share + RISE)
        if self._share_of_machine(self._available()) >= enough:
            return True
        return any(
            group.charged_bytes() >= enough * group.limit_bytes
            and group.used_bytes() >= enough * group.limit_bytes
            for group in self._groups
        )

    def _available(self) -> int:
        try:
            text = (self._root / "proc/meminfo").read_text(encoding="ascii", errors="replace")
            return int(text.partition("MemAvailable:")[2].split(maxsplit=1)[0]) * KIB
        except (OSError, IndexError) as error:
            if is_foreign(error):
                raise
            return int(psutil.virtual_memory().available)

    def _share_of_machine(self, available: int) -> float:
        return 1 - available / self._physical


def descriptors() -> tuple[int, int | None]:
    """Return the number of open file descriptors of the process, and its limit.

    Raises:
        OSError: The system does not report them.
        AttributeError: The system has no file descriptors (Windows).
    """
    limit = open_file_limit()
    try:
        return len([*Path("/proc/self/fd").iterdir()]) - 1, limit  # minus the descriptor used for listing
    except OSError as error:
        if error.errno == errno.EMFILE and limit is not None:  # no descriptor is left for listing
            return limit, limit
        if error.errno != errno.ENOENT:
            raise
        return psutil.Process().num_fds(), limit
