"""Write a journal of any size, as a long run would leave it.

python tests/benchmarks/make_journal.py run.jsonl --rows 1000000 --components 6
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import msgspec

from instrumented_calc.journal import records

NAMES = ("neighbour list", "encoder", "message passing", "energy head", "forces", "to host")
MEAN_WALL_NS = 400_000
GAP_NS = 50_000
SAMPLED_EVERY = 25  # 10 ms between samples
TALLY_EVERY = 10_000
BATCH = 1_000


def write_journal(path: Path, *, rows: int, components: int = 0, torn: bool = True) -> None:
    """Write a valid journal with mixed events and, on request, a torn last line.

    Args:
        path: The file, overwritten if it exists.
        rows: Number of `call` rows.
        components: Named components a row, at most six.
        torn: Leave half a row at the end and no `run_end`, as a killed run does.
    """
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        for record in _opening(rows):
            file.write(encode(record) + b"\n")
        for first in range(0, rows, BATCH):
            lines = [encode(record) for record in _batch(first, min(rows, first + BATCH), components)]
            file.write(b"\n".join(lines) + b"\n")
        if torn:
            file.write(b'{"event":"call","index":')
        else:
            file.write(encode(_ending(rows)) + b"\n")


def _opening(rows: int) -> list[records.Record]:
    return [
        records.RunStart(
            schema=records.SCHEMA,
            run_id="made",
            started="2026-01-01T00:00:00Z",
            pid=1,
            version="0.1.0",
            command=["python", "md.py"],
            settings={"rows": rows},
            environment=records.Environment(host="node1", cpu="a processor"),
        ),
        records.describe_fields(),
        records.Lane(
            lane=0, calculator="ase.calculators.emt.EMT", seen_by="twin", n_atoms=32, formula="Cu32"
        ),
        records.Phase(phase=0, driver="VelocityVerlet", kind="md", index=0, ensemble="NVE", timestep_fs=1.0),
    ]


def _batch(first: int, end: int, components: int) -> list[records.Record]:
    made: list[records.Record] = []
    for index in range(first, end):
        made.append(_row(index, components))
        if index % TALLY_EVERY == TALLY_EVERY - 1:
            counters = records.Counters(calls=index + 1, get_property=3 * index, cache_hits=2 * index)
            made.append(records.Tally(time_ns=_start(index + 1), counters=counters))
    return made


def _start(index: int) -> int:
    return index * (MEAN_WALL_NS + GAP_NS)


def _row(index: int, components: int) -> records.Call:
    wall = MEAN_WALL_NS - random.randrange(40_000)  # noqa: S311 - figures, not secrets
    row = records.Call(
        index=index,
        start_ns=_start(index),
        wall_ns=wall,
        gap_ns=GAP_NS,
        step=max(0, index - 1),
        energy_ev=-3.5 + 1e-9 * wall,
    )
    if index == 0:
        row.lane, row.phase, row.n_atoms = 0, 0, 32
        row.properties = ["energy", "forces"]
        row.changes = ["positions", "numbers", "cell", "pbc"]
    elif index == 1:
        row.changes = ["positions"]
    if components:
        row.components = {
            name: wall // (2 * components) + place for place, name in enumerate(NAMES[:components])
        }
    if index % SAMPLED_EVERY == 0:
        row.cpu_ns = index * MEAN_WALL_NS
        row.rss_bytes = 200_000_000 + (index // SAMPLED_EVERY % 7) * 4096
        row.minor_faults, row.major_faults, row.preemptions = index // 3, 0, index // 500
        row.self_ns = index * 1_500
    return row


def _ending(rows: int) -> records.RunEnd:
    counters = records.Counters(calls=rows, get_property=3 * rows, cache_hits=2 * rows)
    return records.RunEnd(
        reason="closed", time_ns=_start(rows), ended="2026-01-01T01:00:00Z", counters=counters
    )


def main() -> None:
    """Write the journal that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--components", type=int, default=0, choices=range(len(NAMES) + 1))
    parser.add_argument("--whole", action="store_true", help="end the run properly")
    asked = parser.parse_args()
    write_journal(asked.path, rows=asked.rows, components=asked.components, torn=not asked.whole)


if __name__ == "__main__":
    main()
