"""The number of threads, and the processors that the process may use."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.integration import Remedy
from instrumented_calc.journal.vocabulary import THREAD_COUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from instrumented_calc.integration import RunFacts

THREADS = "threads"
NODES = Path("/sys/devices/system/node")
# Of the CPU time: below, fewer threads in the pools spare nothing.
WORTH_SHARE = 0.05
SET_IN_SCRIPT = r"set_num_threads|NUM_THREADS|threadpool_limits"


def remedies(facts: RunFacts) -> Iterator[Remedy]:
    """Yield other numbers of threads, of all pools or of BLAS or the others alone; and one node.

    Args:
        facts: What is known of the run as it is.
    """
    if facts.threads is not None:
        idle = facts.pool_share is not None and facts.pool_share < WORTH_SHARE
        numbers = {1, facts.processors or 1, min(facts.physical_cores or 1, facts.processors or 1)}
        for number in sorted(numbers - {facts.threads}):
            if number > facts.threads:
                yield _threads(number, "more-threads")
            elif not idle:
                yield _threads(number, "fewer-threads")
        # Threads of one kind that wait for their next work take the processors from those of the other.
        if not idle and (facts.blas_threads or 1) > 1 and (facts.other_threads or 1) > 1:
            yield _one_of("blas", 'threadpoolctl.threadpool_limits(1, user_api="blas") before the dynamics')
            yield _one_of(
                "openmp",
                'threadpoolctl.threadpool_limits(1, user_api="openmp") before the dynamics, and with torch'
                " torch.set_num_threads(1)",
            )
    node = _first_node()
    if node:
        listed = ",".join(map(str, sorted(node)))
        yield Remedy(
            "one-node",
            f"start it with: taskset -c {listed} python ... (one NUMA node)",
            before_script=lambda: os.sched_setaffinity(0, node),
        )


def _threads(number: int, trial: str) -> Remedy:
    return Remedy(
        f"threads-{number}",
        f"export OMP_NUM_THREADS={number} OPENBLAS_NUM_THREADS={number} MKL_NUM_THREADS={number}"
        " before the start, and remove what sets another number in the program",
        family=THREADS,
        trials=(trial,),
        variables=dict.fromkeys(THREAD_COUNTS, str(number)),
        at_first_call=_limit(number),  # also over what the program has set itself
        seek=SET_IN_SCRIPT,
    )


def _one_of(kind: str, keep: str) -> Remedy:
    return Remedy(
        f"{kind}-threads-1", keep, family=THREADS, at_first_call=_limit(1, kind), seek=SET_IN_SCRIPT
    )


def _limit(number: int, kind: str | None = None) -> Callable[[Any], None]:
    """Return what limits the threads of all pools, or of those of one kind: `blas`, `openmp` with torch."""

    def limit(_: Any) -> None:
        from threadpoolctl import threadpool_limits

        threadpool_limits(number, user_api=kind)
        torch: Any = sys.modules.get("torch")
        if torch is not None and kind != "blas":
            torch.set_num_threads(number)

    return limit


def _first_node() -> set[int]:
    """Return the allowed processors of one NUMA node; empty if all are of one node, and off Linux."""
    if not hasattr(os, "sched_getaffinity"):
        return set()
    allowed = os.sched_getaffinity(0)
    nodes = [
        processors_of((folder / "cpulist").read_text(encoding="ascii")) & allowed
        for folder in sorted(NODES.glob("node[0-9]*"))
        if (folder / "cpulist").exists()
    ]
    largest = max(nodes, key=len, default=set())
    return largest if largest != allowed else set()


def processors_of(text: str) -> set[int]:
    """Return the processors of a list of the kernel, such as `0-3,8-11`."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first:
            found.update(range(int(first), int(last or first) + 1))
    return found
