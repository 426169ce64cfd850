"""The time in our own code per recorded call: a figure below what the difference of two runs can show.

    python -m tests.benchmarks.direct

Measured from entering our method to leaving it, less the calculator's time, median of blocks; the stopwatch,
two clock readings per method, is in it, and the first line says how fast this machine's clock can be read.
What recording costs elsewhere (caches that it displaces, attributes that are found on a longer path) is not
in it: see `peers.py` and `instructions.py`.
"""

from __future__ import annotations

import functools
import statistics
import time
from typing import TYPE_CHECKING, Any

from tests.benchmarks.peer_tools import quietly
from tests.benchmarks.players import Player, cpu
from tests.benchmarks.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.workloads import Workload

BLOCKS = 40
WARM_UP_S = 3.0


class Inside:
    """Sums the time in our code, without the calculator's, while a workload runs."""

    def __init__(self) -> None:
        self.ours = 0

    def around(self, method: Callable[..., Any], sign: int) -> Callable[..., Any]:
        """Return the method, timed: outside of our code it adds, inside it takes away again."""

        @functools.wraps(method)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter_ns()
            try:
                return method(*args, **kwargs)
            finally:
                self.ours += sign * (time.perf_counter_ns() - start)

        return timed


def direct(workload: Workload) -> float:
    """Return the added time per call in ns, measured where it arises, in a process of its own."""

    def block_of() -> Callable[[], float]:
        inside = Inside()

        def wrap(calc: Any) -> Any:
            cls = type(calc)
            for name in ("calculate", "get_property"):
                if hasattr(cls, name):
                    setattr(cls, name, inside.around(getattr(cls, name), -1))
            face = quietly(calc)
            twin = type(face)
            for name in ("calculate", "get_property"):
                if name in vars(twin):
                    setattr(twin, name, inside.around(vars(twin)[name], +1))
            return face

        block = workload.prepare(wrap)

        def measured() -> float:
            before = inside.ours
            block()
            return (inside.ours - before) / workload.calls

        return measured

    player = Player(block_of, play=lambda measured: statistics.median(measured() for _ in range(BLOCKS)))
    player.ask(WARM_UP_S)
    added = float(player.answer())
    player.stop()
    return added


def main() -> None:
    reads = [cpu(lambda: [time.perf_counter_ns() for _ in range(1000)]) / 1000 for _ in range(50)]
    print(f"one clock reading: {statistics.median(reads):.0f} ns")
    for workload in WORKLOADS:
        print(f"{workload.name:24s}{direct(workload) / 1e3:+11.2f} us   {workload.goal}", flush=True)


if __name__ == "__main__":
    main()
