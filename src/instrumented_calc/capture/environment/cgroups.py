"""Limits of control groups: on a shared node they, not the machine, limit a job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/")


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return the CPU time that the process may use per second of wall time.

    Args:
        root: Root of the file system.

    Returns:
        A number of processors, not always an integer; None without a quota.
    """
    quotas = []
    for folder in _folders("cpu", root):
        quota = _words(folder / "cpu.max") or (
            _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        )
        # No quota is "max" in version 2 and -1 in version 1.
        if len(quota) == 2 and quota[0] not in {"max", "-1"}:  # noqa: PLR2004 - quota and period
            quotas.append(int(quota[0]) / int(quota[1]))
    return min(quotas, default=None)


def memory_limit(physical_bytes: int, root: Path = ROOT) -> int | None:
    """Return the memory that the process may use.

    Args:
        physical_bytes: Memory of the machine; version 1 writes "no limit" as a larger number.
        root: Root of the file system.

    Returns:
        The limit in bytes; None without a limit.
    """
    return min((group.limit_bytes for group in memory_groups(physical_bytes, root)), default=None)


class MemoryGroup(NamedTuple):
    """A group around the process whose memory is limited."""

    usage: Path
    stat: Path
    limit_bytes: int

    def charged_bytes(self) -> int:
        """Return the memory in use, with caches that the kernel can drop."""
        return int(self.usage.read_text())

    def used_bytes(self) -> int:
        """Return the memory in use without caches that the kernel can drop."""
        stat = _pairs(self.stat)
        caches = stat.get("total_inactive_file", stat.get("inactive_file", 0))
        return max(self.charged_bytes() - caches, 0)


def memory_groups(physical_bytes: int, root: Path = ROOT) -> list[MemoryGroup]:
    """Return the groups around the process whose memory is limited.

    Args:
        physical_bytes: Memory of the machine; version 1 writes "no limit" as a larger number.
        root: Root of the file system.
    """
    found = []
    for folder in _folders("memory", root):
        for limit_name, usage_name in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit = _words(folder / limit_name)
            if limit and limit[0] != "max" and 0 < int(limit[0]) < physical_bytes:
                found.append(MemoryGroup(folder / usage_name, folder / "memory.stat", int(limit[0])))
    return found


def oom_kills(root: Path = ROOT) -> int | None:
    """Return how many processes of the groups were killed so far because memory ran out.

    Args:
        root: Root of the file system.

    Returns:
        The largest count of all groups around the process; None if it is not counted.
    """
    counts = []
    for folder in _folders("memory", root):
        events = _pairs(folder / "memory.events") or _pairs(folder / "memory.oom_control")
        if "oom_kill" in events:
            counts.append(events["oom_kill"])
    return max(counts, default=None)


def cpu_throttling(root: Path = ROOT) -> tuple[int, int] | None:
    """Return the number of CPU quota periods and of throttled periods since the group was created.

    Args:
        root: Root of the file system.

    Returns:
        Periods and throttled periods of the most throttled group; None without a quota.
    """
    found = []
    for folder in _folders("cpu", root):
        stat = _pairs(folder / "cpu.stat")
        if stat.get("nr_periods"):
            found.append((stat["nr_periods"], stat["nr_throttled"]))
    return max(found, key=lambda pair: pair[1], default=None)


def _folders(controller: str, root: Path) -> Iterator[Path]:
    """Yield the process's group and every group around it: the tightest limit of all counts."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except FileNotFoundError as error:  # not Linux
        if is_foreign(error):
            raise
        return
    for line in lines:
        hierarchy, controllers, path = line.split(":", 2)
        mount = root / "sys/fs/cgroup"
        if controller in controllers.split(","):
            mount /= controller
        elif hierarchy != "0":
            continue
        folder = mount / path.lstrip("/")
        yield folder
        while folder != mount:
            folder = folder.parent
            yield folder


def _pairs(path: Path) -> dict[str, int]:
    words = _words(path)
    return {name: int(value) for name, value in zip(words[::2], words[1::2], strict=False)}


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError as error:
        if is_foreign(error):
            raise
        # The root group has no such file, and a container does not see the groups around it.
        return []
