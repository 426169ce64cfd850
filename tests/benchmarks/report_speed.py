"""CPU seconds and peak memory of `instrumented-calc report` on long runs, in fresh processes.

    python tests/benchmarks/report_speed.py [rows] [repeats]

The journals have the fields of real runs, see `make_journal.py`; of Orb there are as many rows as fit into
the usual limit of a journal, 256 MB. A bare decode of the same file, taken in turn with the reports, shows
how fast the machine is: the times to hold are for one that decodes the rows of EMT in 0.5 s.

Not reached for EMT: seen were 3.0 s and 165 MB beside a bare decode of 0.54 s. A third of it decodes rows
into objects and packs these into arrays, a sixth imports modules.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from make_journal import KINDS, write_journal

# Kind of run: share of the rows, CPU seconds and MB to hold.
GOALS = {"plain": (1.0, 1.2, 100.0), "emt": (1.0, 2.0, 110.0), "orb": (0.46, 3.0, 110.0)}

# The minimum for a reader with msgspec: five numbers per row as objects, discarded immediately.
BARE_DECODE = """
import sys, msgspec
class Row(msgspec.Struct, gc=False):
    index: int = 0; start_ns: int = 0; wall_ns: int = 0; gap_ns: int = -1; step: int = -1
decode = msgspec.json.Decoder(Row).decode_lines
with open(sys.argv[1], "rb") as file:
    while chunk := file.read(120 * 1024):
        try:
            decode(chunk + file.readline())
        except msgspec.DecodeError:
            pass  # the torn tail
"""


def measure(*arguments: str) -> tuple[float, float]:
    """Return CPU seconds and peak resident MB (10^6 byte) of a fresh Python process."""
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} failed with exit code {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def main() -> None:
    """Print the table."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    print(f"{rows:,} rows, torn tail, mixed events; median [min, max] of {repeats}")
    with tempfile.TemporaryDirectory() as folder:
        for kind, (share, goal_s, goal_mb) in GOALS.items():
            journal = Path(folder) / "run.jsonl"
            write_journal(journal, rows=round(share * rows), kind=KINDS[kind])
            # Taken in turn, so that both see the same disturbances.
            bare, runs = [], []
            for _ in range(repeats):
                bare.append(measure("-c", BARE_DECODE, str(journal))[0])
                runs.append(measure("-m", "instrumented_calc", "report", str(journal)))
            cpu = sorted(seconds for seconds, _ in runs)
            print(
                f"{kind:5}  {share * rows:,.0f} rows  {journal.stat().st_size / 1e6:.0f} MB"
                f"  CPU {statistics.median(cpu):.2f} [{cpu[0]:.2f}, {cpu[-1]:.2f}] s"
                f" (hold {goal_s}),  peak {max(mb for _, mb in runs):.0f} MB (hold {goal_mb:.0f}),"
                f"  bare decode {statistics.median(bare):.2f} s"
            )


if __name__ == "__main__":
    main()
