"""Instructions that recording adds per force call: a figure that a busy machine cannot disturb.

    python -m tests.benchmarks.instructions          (needs valgrind)

`peers.py` measures time, which on shared machines scatters by more than the goals. Here each variant of
each of its workloads runs in a process of its own under valgrind's cachegrind, once with few blocks and
once with more; the difference is the cost of the calls. Variants: the bare calculator; the same with the
combined dictionary that a twin shares with it (attribute access to such an object takes a longer path); the
profiled one, its rows encoded and written at the end. Work that depends on the clock instead of the call is
switched off, since cachegrind's clock is forty times too slow: samples (2 us every 10 ms) and the thread.
"""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.benchmarks.peer_tools import quietly
from tests.benchmarks.workloads import WORKLOADS

from instrumented_calc import recording
from instrumented_calc.capture.rows import quick_check, row_maker, sampler
from instrumented_calc.capture.run import pulse

NEVER = 10**18
BLOCKS = (2, 12)
VARIANTS = ("bare", "dictionary", "profiled")


def with_combined_dictionary(calc: Any) -> Any:
    object.__setattr__(calc, "__dict__", dict(vars(calc)))
    return calc


def run(workload: str, variant: str, blocks: int) -> None:
    """Do the work of one process."""
    row_maker.WRITE_AT_ONCE_NS = row_maker.LOOK_EVERY_NS = sampler.SAMPLE_EVERY_NS = NEVER
    quick_check.CHECK_EVERY_NS = NEVER
    pulse.PULSE_S = NEVER / 1e9
    os.chdir(tempfile.mkdtemp())
    kept: list[Any] = []

    def wrap(calc: Any) -> Any:
        faces = {"bare": lambda: calc, "dictionary": lambda: with_combined_dictionary(calc)}
        kept.append(faces.get(variant, lambda: quietly(calc))())
        return kept[0]

    block = next(each for each in WORKLOADS if each.name == workload).prepare(wrap)
    block()
    gc.collect()
    gc.freeze()  # one more or one less full collection would exceed the measured cost
    for _ in range(blocks):
        block()
    if variant == "profiled":
        recording(kept[0]).run._recorder.flush()
    os._exit(0)


def instructions(workload: str, variant: str, blocks: int) -> int:
    """Return how many instructions a process took."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    command += [sys.executable, "-m", "tests.benchmarks.instructions", workload, variant, str(blocks)]
    environment = os.environ | {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = re.search(r"I +refs: +([\d,]+)", done.stderr)
    if found is None:
        message = f"cachegrind printed no count: {done.stderr[-300:]}"
        raise RuntimeError(message)
    return int(found[1].replace(",", ""))


def main() -> None:
    print(f"{'instructions per call':24s}{'bare':>14s}{'+ dictionary':>22s}{'+ recording':>22s}{'sum':>10s}")
    with ThreadPoolExecutor(2) as pool:
        for workload in WORKLOADS:
            jobs = [(workload.name, variant, blocks) for variant in VARIANTS for blocks in BLOCKS]
            counts = dict(zip(jobs, pool.map(lambda job: instructions(*job), jobs), strict=True))
            few, many = BLOCKS
            calls = (many - few) * workload.calls
            bare, dictionary, profiled = (
                (counts[workload.name, variant, many] - counts[workload.name, variant, few]) / calls
                for variant in VARIANTS
            )
            print(f"{workload.name:24s}{bare:14,.0f}", end="")
            for added in (dictionary - bare, profiled - dictionary):
                print(f"{added:+13,.0f}{100 * added / bare:+7.2f} %", end="")
            print(f"{100 * (profiled - bare) / bare:+8.2f} %   goal {workload.goal}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    main()
