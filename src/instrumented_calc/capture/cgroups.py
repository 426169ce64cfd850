"""The limits of control groups: on a shared node they, not the machine, are what a job has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/")


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return the CPU time that the process may use per second of wall time.

    Args:
        root: Where the file system begins.

    Returns:
        A number of processors, not always whole; None where there is no quota.
    """
    quotas = []
    for folder in _folders("cpu", root):
        quota = _words(folder / "cpu.max") or (
            _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        )
        # No quota reads "max" in version 2 and -1 in version 1.
        if len(quota) == 2 and quota[0] not in {"max", "-1"}:  # noqa: PLR2004 - quota and period
            quotas.append(int(quota[0]) / int(quota[1]))
    return min(quotas, default=None)


def memory_limit(physical_bytes: int, root: Path = ROOT) -> int | None:
    """Return the memory that the process may use.

    Args:
        physical_bytes: Memory of the machine; version 1 writes "no limit" as a number beyond it.
        root: Where the file system begins.

    Returns:
        The limit, in bytes; None where there is none.
    """
    limits: list[int] = []
    for folder in _folders("memory", root):
        words = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
        limits += [int(word) for word in words if word != "max"]
    return min((limit for limit in limits if limit < physical_bytes), default=None)


def cpu_throttling(root: Path = ROOT) -> tuple[int, int] | None:
    """Return how often the CPU quota was accounted for, and how often it was used up, since the group began.

    Args:
        root: Where the file system begins.

    Returns:
        Periods and throttled periods of the group that was throttled most; None where there is no quota.
    """
    found = []
    for folder in _folders("cpu", root):
        words = _words(folder / "cpu.stat")
        stat = dict(zip(words[::2], words[1::2], strict=False))
        if int(stat.get("nr_periods", 0)):
            found.append((int(stat["nr_periods"]), int(stat["nr_throttled"])))
    return max(found, key=lambda pair: pair[1], default=None)


def _folders(controller: str, root: Path) -> Iterator[Path]:
    """Yield the process's group and every group around it: the tightest limit of all counts."""
    for line in (root / "proc/self/cgroup").read_text().splitlines():
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


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        # The root group has no such file, and a container does not see the groups around it.
        return []
