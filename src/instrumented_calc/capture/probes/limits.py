"""Limits that kill a run when exhausted: memory and file descriptors."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from instrumented_calc.capture.environment.cgroups import ROOT, MemoryGroup, memory_groups, oom_kills

if TYPE_CHECKING:
    from instrumented_calc.journal.records import Machine

NEAR = 0.8  # of the limit: above this a rise is recorded separately
RISE = 0.02
KIB = 1024


class MemoryWatch:
    """Reads the memory of the process, of its control groups and of the machine.

    Args:
        root: Root of the file system.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        self._share = 0.0  # share of the limit in use at the last reading
        self._groups: list[MemoryGroup] | None = None  # found at each reading, as limits may change

    def read(self, machine: Machine) -> None:
        """Set the known fields."""
        process = _kib_values(self._root / "proc/self/status")
        if "VmRSS" in process:
            machine.rss_bytes = process["VmRSS"]
        if "VmHWM" in process:
            machine.peak_rss_bytes = process["VmHWM"]
        available = self._available()
        if available is not None:
            machine.available_bytes = available
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

    def _available(self) -> int | None:
        text = (self._root / "proc/meminfo").read_text(encoding="ascii", errors="replace")
        words = text.partition("MemAvailable:")[2].split(maxsplit=1)
        return int(words[0]) * KIB if words else None

    def _share_of_machine(self, available: int | None) -> float:
        return 0.0 if available is None else 1 - available / self._physical


def descriptors() -> tuple[int, int]:
    """Return the number of open file descriptors of the process, and its limit.

    Raises:
        OSError: The system does not report them.
    """
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    try:
        return len([*Path("/proc/self/fd").iterdir()]) - 1, limit  # minus the descriptor used for listing
    except OSError as error:
        if error.errno == errno.EMFILE:  # no descriptor is left for listing
            return limit, limit
        raise


def _kib_values(path: Path) -> dict[str, int]:
    """Return the lines `Name:  123 kB` of a file, in bytes."""
    found = {}
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words[1:] == ["kB"]:
            found[name] = int(words[0]) * KIB
    return found
