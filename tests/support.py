"""Shared by many tests: a reader of journals without dependencies, and an exact clock."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

CARRIED = ("lane", "phase", "n_atoms", "properties", "changes", "system")
JOURNAL_THREAD = "instrumented-calc journal"


class ExactClock:
    """A clock in ns that advances only on request, not when it is read.

    Args:
        now: Its first value.
    """

    def __init__(self, now: int = 1_000) -> None:
        self.now = now

    def __call__(self) -> int:
        """Return the time in ns."""
        return self.now

    def advance(self, ns: int) -> None:
        """Let time pass."""
        self.now += ns


@dataclass(frozen=True)
class Records:
    """The records of one journal, as JSON gives them."""

    all: list[dict[str, Any]]

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return the records of one kind."""
        return [record for record in self.all if record["event"] == event]

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The rows in order of the file, each with its carried fields filled from the row before."""
        carried: dict[str, Any] = {}
        rows = []
        for row in self.of("call"):
            carried |= {name: row[name] for name in CARRIED if name in row}
            rows.append(carried | row)
        return rows

    @property
    def end(self) -> dict[str, Any]:
        """The last record, which must be `run_end`."""
        assert self.all[-1]["event"] == "run_end"
        return self.all[-1]

    @property
    def notices(self) -> list[dict[str, Any]]:
        """The notices but those of the governor, which depend on how busy the machine is."""
        return [each for each in self.of("notice") if each["kind"] != "sampling-thinned"]

    @property
    def counters(self) -> dict[str, int]:
        """The totals at the run's end."""
        return self.end["counters"]


def read_records(path: str | Path = "run.jsonl") -> Records:
    """Read a journal; every line must be whole."""
    lines = Path(path).read_bytes().removesuffix(b"\n").split(b"\n")  # not at U+2028 and the like
    return Records([json.loads(line) for line in lines])


def journal_threads() -> list[threading.Thread]:
    """Return the recorder's threads that are alive."""
    return [thread for thread in threading.enumerate() if thread.name == JOURNAL_THREAD]


def open_files() -> list[str]:
    """Return the recorder's files that this process has open, if the system lists them."""
    names = map(_target, Path("/proc/self/fd").glob("*"))
    return sorted(name for name in names if name.endswith((".jsonl", "/statm")))


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:
        return ""  # the listing's own descriptor


def outcome(action: Callable[[], Any]) -> tuple[Any, ...]:
    """Return the result or the exception of a call, in a form that can be compared."""
    try:
        value = action()
    except Exception as error:  # noqa: BLE001 - whatever it is must be the same twice
        return "raises", type(error), _without_addresses(str(error))
    if isinstance(value, np.ndarray):
        return "gives", value.shape, value.tobytes()
    return "gives", _without_addresses(repr(value))


def _without_addresses(text: str) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", text)
