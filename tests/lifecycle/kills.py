"""Kills runs with `kill -9` at random moments, and counts what their journals lack.

    python -m tests.lifecycle.kills [NUMBER] [SEED]

Each run is a forked process that notes in shared memory which of its calls have ended, and how much CPU time
it had used by then. A call of 10 ms or more must not be missing. Of faster calls, those of the last 0.25 s
may be: 0.25 s of the run's own CPU time, because on a busy machine it may not have run for longer than that.
Trace windows need torch.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import mmap
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from instrumented_calc import ProfiledCalculator, Trace, recording
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.capture.rows.black_box import CALLS
from instrumented_calc.cli import main as command
from instrumented_calc.journal.reader import read_journal

if TYPE_CHECKING:
    from collections.abc import Iterator

FAST_S, SLOW_S = 20e-6, 0.02
MOST_LOST_S = 0.25
MOST_CALLS = 1_000_000
PLAIN = 256_000_000
THINNED = (40_000, 200_000, 2_000_000)  # limits of a journal, in bytes
EVERY, ACTIVE = 200, 100  # calls: half of them are in a trace window
STARTING, CALLING, CLOSING = 1, 2, 3
HAS_TORCH = importlib.util.find_spec("torch") is not None
MOMENTS = ("start", "plain", "thinned", "close", *(["window"] if HAS_TORCH else []))


class Progress:
    """Memory that a run shares with the process that kills it."""

    def __init__(self) -> None:
        def shared(length: int) -> Any:
            return np.frombuffer(mmap.mmap(-1, 8 * length), dtype=np.int64)

        self.state = shared(1)
        self.ended = shared(1)  # number of calls
        self.cpu_ns = shared(MOST_CALLS)  # at the end of each


@dataclass
class Kill:
    """One killed run.

    Attributes:
        moment: What the run did when it was killed.
        slow: Whether its calls take 20 ms.
        limit: `max_journal`.
        calls: Calls that had ended.
        lost: Those of them that the journal lacks.
        lost_s: CPU time of the run since the last call that it has.
        faults: What is wrong with the journal.
    """

    moment: str
    slow: bool
    limit: int
    calls: int = 0
    lost: int = 0
    lost_s: float = 0.0
    faults: tuple[str, ...] = ()


class Spinning(Calculator):
    """Takes a given time: a processor's if it is short."""

    implemented_properties = ("energy", "forces")

    def __init__(self, *, slow: bool, torch: Any) -> None:
        super().__init__()
        self._slow = slow
        self._torch = torch

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = ()) -> None:
        until = time.perf_counter() + FAST_S
        if self._torch is not None:
            self._torch.ones(4).sum()
        if self._slow:
            time.sleep(SLOW_S)
        while time.perf_counter() < until:
            pass
        self.results = {"energy": 1.0, "forces": np.zeros((2, 3))}


def _live(progress: Progress, kill: Kill, closes_after: float | None) -> None:
    torch = None
    if kill.moment == "window":
        import torch  # noqa: PLC0415 - the other runs do without
    trace = Trace(every_calls=EVERY, active=ACTIVE, max_windows=MOST_CALLS) if torch else "auto"
    atoms = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3]])
    calc = ProfiledCalculator(
        Spinning(slow=kill.slow, torch=torch),
        journal="run.jsonl",
        max_journal=kill.limit,
        trace=trace,
        summary=False,
    )
    progress.state[0] = STARTING
    stop = time.perf_counter() + (1e9 if closes_after is None else closes_after)
    number = 0
    while time.perf_counter() < stop and number < MOST_CALLS:
        calc.calculate(atoms, ["energy"], ["positions"])
        progress.cpu_ns[number] = time.process_time_ns()
        number += 1
        progress.ended[0] = number
        progress.state[0] = CALLING
    progress.state[0] = CLOSING
    recording(calc).close()
    time.sleep(1000)


def _kill_one(moment: str, chance: random.Random) -> Kill:
    """Run in the working directory until killed; return what is left."""
    progress = Progress()
    limits = {"start": (PLAIN,), "plain": (PLAIN,), "thinned": THINNED}.get(moment, (PLAIN, *THINNED))
    kill = Kill(moment, slow=chance.random() < 0.5, limit=chance.choice(limits))
    awaited, longest, closes_after = CALLING, 3.0, None
    if moment == "start":
        awaited, longest = STARTING, 0.1
    elif moment == "close":
        awaited, longest, closes_after = CLOSING, 0.03, chance.uniform(0.1, 1.0)
    pid = os.fork()
    if pid == 0:
        try:
            _live(progress, kill, closes_after)
        finally:
            os._exit(99)
    try:
        deadline = time.monotonic() + 60
        while progress.state[0] < awaited and time.monotonic() < deadline:
            time.sleep(0.0005)
        time.sleep(chance.uniform(0, longest))
    finally:
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    kill.calls = int(progress.ended[0])
    faults = [] if status == signal.SIGKILL else [f"ended by itself, status {status}"]
    faults += _check(kill, progress)
    kill.faults = tuple(faults)
    return kill


def _check(kill: Kill, progress: Progress) -> Iterator[str]:
    path = Path("run.jsonl")
    if not kill.calls and (not path.exists() or not path.stat().st_size):
        return  # killed before its journal had a line
    journal = read_journal(path)
    counted = summarize(journal).evaluations.calls
    kill.lost = max(kill.calls - counted, 0)
    if kill.lost:
        last = progress.cpu_ns[counted - 1] if counted else 0
        kill.lost_s = (int(progress.cpu_ns[kill.calls - 1]) - int(last)) / 1e9
    if kill.lost and kill.slow:
        yield f"{kill.lost} slow calls lost"
    if kill.lost_s > MOST_LOST_S:
        yield f"{kill.lost} calls lost, {kill.lost_s:.3f} s"
    if counted > kill.calls + 1:
        yield f"{counted} calls counted, of {kill.calls}"
    whole = journal.calls.index[-CALLS:].tolist()
    if whole != list(range(max(counted - CALLS, 0), counted)):
        yield f"the last calls are not all there in full: {len(whole)}"
    if journal.bad_lines:
        yield f"{journal.bad_lines} damaged lines"
    yield from _report_faults()


def _report_faults() -> Iterator[str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command(["report", "run.jsonl", "--all"])
    if code:
        yield f"report: exit code {code}: {err.getvalue().strip()}"
    ends = [line.split(None, 1)[1] for line in out.getvalue().splitlines() if line.startswith("  ended ")]
    if len(ends) != 1 or not ends[0].startswith(("killed", "closed")):
        yield f"report: ended {ends}"


@contextlib.contextmanager
def _inside(folder: str) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def kill_runs(number: int, seed: int) -> list[Kill]:
    """Kill runs at all kinds of moments in turn.

    Args:
        number: How many.
        seed: Of the moments.

    Returns:
        One entry per run.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    kills = []
    for each in range(number):
        with tempfile.TemporaryDirectory() as folder, _inside(folder):
            kills.append(_kill_one(MOMENTS[each % len(MOMENTS)], chance))
        if kills[-1].faults:
            print(each, kills[-1], flush=True)
    return kills


def main(number: int = 200, seed: int | None = None) -> int:
    """Kill runs and print what was lost.

    Returns:
        The number of runs whose journal lacks more than it may.
    """
    seed = random.randrange(10**6) if seed is None else seed  # noqa: S311 - no secret
    print("seed", seed, flush=True)
    kills = kill_runs(number, seed)
    for moment in MOMENTS:
        some = [kill for kill in kills if kill.moment == moment]
        fast = [kill for kill in some if not kill.slow]
        print(
            f"{moment:8} {len(some):4} kills, {sum(kill.calls for kill in some):9,} calls;"
            f" lost of {len(some) - len(fast)} runs of slow calls:"
            f" {sum(kill.lost for kill in some if kill.slow)},"
            f" of {len(fast)} runs of fast calls: {max((kill.lost for kill in fast), default=0)} at most,"
            f" {max((kill.lost_s for kill in fast), default=0.0):.3f} s"
        )
    inside = Counter(kill.calls % EVERY < ACTIVE for kill in kills if kill.moment == "window")
    if inside:
        print(f"{inside[True]} of {inside.total()} in the midst of a window")
    return sum(bool(kill.faults) for kill in kills)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
