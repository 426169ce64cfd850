"""CPU time and memory of child processes, read when an external program has run.

The system adds the times of a child process to those of its parent once the parent has waited for it, which
ASE does. Nothing here waits for a process, or handles a signal.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import psutil

from instrumented_calc.own_process import ended_children, kib_values, memory_in_use

if TYPE_CHECKING:
    from subprocess import Popen

SECOND_NS = 1_000_000_000
READ_EVERY_NS = SECOND_NS
READ_SHARE = 1000  # finding children reads all processes: at most a thousandth of the time


class ChildUse(NamedTuple):
    """What child processes used since the previous reading.

    Attributes:
        cpu_ns: Their CPU time, ns.
        peak_bytes: Largest memory of one of them; None if it is unknown, or not larger than before, or not
            larger than that of this process.
    """

    cpu_ns: int
    peak_bytes: int | None


class EndedChildren:
    """Child processes that end while a program is executed.

    Their use is added to the execution that ends first after them, so that sums are exact if several threads
    execute programs at once.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._lock = threading.RLock()  # a signal handler may calculate
        self._open = 0
        self._cpu_ns = self._peak_bytes = 0

    def begin(self) -> None:
        """Note that an execution begins: children that ended before it do not count."""
        with self._lock:
            if not self._open:
                self._cpu_ns, self._peak_bytes = ended_children() or (0, 0)
            self._open += 1

    def end(self) -> ChildUse | None:
        """Return the use since the previous execution ended, or since this one began; None if unknown."""
        with self._lock:
            self._open = max(self._open - 1, 0)
            found = ended_children()
            if found is None:
                return None
            cpu_ns, peak_bytes = found
            larger = peak_bytes > self._peak_bytes and peak_bytes > _inherited_peak_bytes()
            use = ChildUse(max(cpu_ns - self._cpu_ns, 0), peak_bytes if larger else None)
            self._cpu_ns, self._peak_bytes = cpu_ns, peak_bytes
            return use


def _inherited_peak_bytes() -> int:
    """Return the peak that a child process may have from its parent: Linux keeps it when a program starts."""
    resident, peak = memory_in_use()
    return resident if peak is None else peak


_ended = EndedChildren()


def executions() -> EndedChildren:
    """Return the executions of this process; a forked child has its own."""
    global _ended  # noqa: PLW0603 - one for the process, as the system's counters are
    if _ended.pid != os.getpid():
        _ended = EndedChildren()
    return _ended


class RunningChild:
    """A child process that keeps running, with its own children."""

    def __init__(self) -> None:
        self._due = 0
        self._cpu_ns = self._peak_bytes = 0

    def read(self, pid: int) -> ChildUse | None:
        """Return its use since the previous reading; None if it is not due or there is no such process.

        Args:
            pid: Its process id.
        """
        began = perf_counter_ns()
        if began < self._due:
            return None
        cpu_ns, peak_bytes = _use_of_tree(pid)
        ended = perf_counter_ns()
        self._due = ended + max(READ_EVERY_NS, READ_SHARE * (ended - began))
        if cpu_ns is None:
            return None
        use = ChildUse(max(cpu_ns - self._cpu_ns, 0), peak_bytes if peak_bytes > self._peak_bytes else None)
        self._cpu_ns, self._peak_bytes = max(cpu_ns, self._cpu_ns), max(peak_bytes, self._peak_bytes)
        return use


_running: WeakKeyDictionary[Popen[bytes], RunningChild] = WeakKeyDictionary()


def running_child(process: Popen[bytes]) -> RunningChild:
    """Return what is known of a child process so far."""
    return _running.setdefault(process, RunningChild())


def _use_of_tree(pid: int) -> tuple[int | None, int]:
    """Return the CPU time of a process and all its children in ns, and the largest memory of one of them."""
    cpu_ns, peak_bytes = None, 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):  # it may end at any time
                cpu_ns = (cpu_ns or 0) + int(sum(each.cpu_times()[:4]) * SECOND_NS)
                with suppress(OSError, KeyError):  # the peak is known on Linux only
                    peak_bytes = max(peak_bytes, kib_values(Path(f"/proc/{each.pid}/status"))["VmHWM"])
    return cpu_ns, peak_bytes
