"""Write a journal of any size, as a long run would leave it.

    python tests/benchmarks/make_journal.py run.jsonl --run emt --rows 1000000

The fields of each kind of run, and how often it has them, are those of a recorded one: `test_make_journal.py`
compares them with a new recording.
"""

from __future__ import annotations

import argparse
import math
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from instrumented_calc.journal import records

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE_EVERY_NS = 10_000_000
STATE_EVERY_NS, RAREST_STATE_NS, STATES_AT_FIRST = 50_000_000, 1_000_000_000, 200
MACHINE_EVERY_NS = 5_000_000_000
PLACES_FIRST_NS = 2_000_000_000  # then each time the run has become twice as long
TIMESTEP_FS = 1.0


@dataclass(frozen=True, slots=True)
class Kind:
    """What a run is like.

    Attributes:
        calculator: Class of the calculator.
        wall_ns: Mean duration of a call.
        gap_ns: Mean time between calls.
        n_atoms: Atoms.
        parts: Timed parts, each with its share of a call.
        observed_every: Steps between calls of the observers; 0: none is attached.
        counted: Name of what the integration counts; empty: nothing.
        counted_every: Calls between such counts.
        has_states: Whether there are atoms to read.
    """

    calculator: str
    wall_ns: int
    gap_ns: int
    n_atoms: int = 32
    parts: dict[str, float] = field(default_factory=dict)
    observed_every: int = 0
    counted: str = ""
    counted_every: int = 1
    has_states: bool = True


ORB_PARTS = {
    "graph": 0.04,
    "featurise": 0.01,
    "encoder": 0.08,
    "message passing": 0.8,
    "decoder": 0.01,
    "energy head": 0.01,
    "forces head": 0.01,
    "stress head": 0.005,
    "results to host": 0.001,
}
KINDS = {
    # Rows of five numbers and an energy: the least that a row can be.
    "plain": Kind("calculator.Plain", 400_000, 50_000, has_states=False),
    "emt": Kind(
        "ase.calculators.emt.EMT",
        1_900_000,
        400_000,
        parts={"neighbour list": 0.04},
        observed_every=100,
        counted="list builds",
        counted_every=110,
    ),
    # A step longer than the time between samples: every row has all fields.
    "orb": Kind(
        "orb_models.forcefield.calculator.ORBCalculator",
        65_000_000,
        5_000_000,
        parts=ORB_PARTS,
        observed_every=1,
        counted="edges",
    ),
}


def write_journal(path: Path, *, rows: int, kind: Kind, torn: bool = True) -> None:
    """Write a valid journal of molecular dynamics.

    Args:
        path: The file, overwritten if it exists.
        rows: Number of `call` rows.
        kind: What the run is like.
        torn: Leave half a row at the end and no `run_end`, as a killed run does.
    """
    encode = msgspec.json.Encoder().encode
    with path.open("wb", buffering=1 << 20) as file:
        for record in _run(rows, kind):
            file.write(encode(record) + b"\n")
        if torn:
            file.write(b'{"event":"call","index":')
        else:
            file.write(encode(_ending(rows, kind)) + b"\n")


def _run(rows: int, kind: Kind) -> Iterator[records.Record]:
    yield from _opening(rows, kind)
    dice = random.Random(1)  # noqa: S311 - figures, not secrets
    now = next_sample = next_state = 0
    next_machine, next_places = MACHINE_EVERY_NS, PLACES_FIRST_NS
    for index in range(rows):
        row = _row(index, now, kind, dice)
        now += row.wall_ns + kind.gap_ns
        if now >= next_sample:
            next_sample = now + SAMPLE_EVERY_NS
            _sample(row, now)
        if kind.has_states and now >= next_state:
            next_state = now + min(max(now // STATES_AT_FIRST, STATE_EVERY_NS), RAREST_STATE_NS)
            yield _state(index, row, kind, dice)
        yield row
        if now >= next_machine:
            next_machine = now + MACHINE_EVERY_NS
            yield records.Tally(time_ns=now, counters=_counters(index + 1))
            yield _machine(now)
        if now >= next_places:
            next_places = 2 * now
            yield _places(now)
            if kind.observed_every:
                yield _observers(index + 1, now, kind)


def _opening(rows: int, kind: Kind) -> list[records.Record]:
    groups = dict.fromkeys(kind.parts, "")
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
            lane=0,
            calculator=kind.calculator,
            seen_by="twin",
            n_atoms=kind.n_atoms,
            formula=f"Cu{kind.n_atoms}",
            groups=groups or msgspec.UNSET,
        ),
        records.ComputedSystem(0, f"Cu{kind.n_atoms}"),
        records.Phase(
            phase=0, driver="VelocityVerlet", kind="md", index=0, ensemble="NVE", timestep_fs=TIMESTEP_FS
        ),
    ]


def _row(index: int, start_ns: int, kind: Kind, dice: random.Random) -> records.Call:
    wall = round(kind.wall_ns * (0.95 + 0.1 * dice.random()))
    row = records.Call(
        index=index,
        start_ns=start_ns,
        wall_ns=wall,
        gap_ns=kind.gap_ns,
        step=max(0, index - 1),
        energy_ev=-3.5 + 0.1 * math.sin(index / 7),
    )
    if index == 0:
        row.lane = row.phase = row.system = 0
        row.n_atoms = kind.n_atoms
        row.properties, row.changes = ["forces"], ["positions", "numbers", "cell", "pbc"]
        row.gap_ns = msgspec.UNSET
    elif index == 1:
        row.changes = ["positions"]
    if kind.parts:
        row.components = {name: int(share * wall) for name, share in kind.parts.items()}
    if kind.observed_every and index % kind.observed_every == 0:
        row.observers_ns = 90_000 + index % 7
    if kind.counted and index % kind.counted_every == 0:
        row.counts = {kind.counted: 1 if kind.counted_every > 1 else 1_280}
    return row


def _sample(row: records.Call, now: int) -> None:
    row.cpu_ns = now - now // 50
    row.rss_bytes = 200_000_000 + row.index % 7 * 4096
    row.minor_faults, row.major_faults, row.preemptions = 20_000 + row.index // 75, 46, row.index // 500
    row.self_ns = row.index * 1_500


def _state(index: int, row: records.Call, kind: Kind, dice: random.Random) -> records.State:
    potential = row.energy_ev if isinstance(row.energy_ev, float) else 0.0
    force = 1.0 + dice.random()
    return records.State(
        index=index,
        step=row.step,
        potential_ev=potential,
        kinetic_ev=1.0 - potential,
        conserved_ev=1.0 + 1e-5 * dice.random(),
        volume_a3=47.046 * kind.n_atoms / 4,
        farthest_cells=1.6 + 0.01 * dice.random(),
        temperature_k=260 + 36 * dice.random(),
        centre_kinetic_ev=1e-9 * dice.random(),
        pressure_gpa=-1.7 + dice.random(),
        force_norm_ev_a=force,
        force_weighted_ev_a=dice.random() - 0.5,
        largest_force_ev_a=force / 2,
        largest_force_atom=index % kind.n_atoms,
        shortest_distance_a=2.4 + 0.1 * dice.random(),
        extent_a=1.5 + 0.1 * dice.random(),
        moved_a=dice.random(),
        net_force_ev_a=1e-14 * dice.random(),
    )


def _machine(now: int) -> records.Machine:
    return records.Machine(
        time_ns=now,
        rss_bytes=200_000_000,
        peak_rss_bytes=200_024_576,
        available_bytes=24_000_000_000,
        oom_kills=0,
        open_files=8,
        open_files_limit=20_000,
        disk_free_bytes=54_000_000_000 - now // 1_000,
        processor_wait_ns=now // 40,
    )


def _places(now: int) -> records.Places:
    lines = [records.CodeLine(function=f"function_{number}", package="ase") for number in range(40)]
    each = now // 30
    stacks = [records.SampledStack("calculator", 9, each, stack=[*range(at, at + 10)]) for at in range(30)]
    return records.Places(
        time_ns=now, samples=270, ns=30 * each, squares_ns2=30.0 * each**2, lines=lines, stacks=stacks
    )


def _observers(calls: int, now: int, kind: Kind) -> records.Observers:
    made = calls // kind.observed_every
    one = records.ObserverTime(observer="MDLogger", calls=made, ns=90_000 * made, package="ase")
    return records.Observers(time_ns=now, drivers=1, observers=[one])


def _counters(calls: int) -> records.Counters:
    return records.Counters(
        calls=calls,
        get_property=3 * calls,
        cache_hits=2 * calls,
        unchecked=0,
        not_finite=0,
        zero_forces=0,
        same_energy=0,
        velocity_changes=0,
        fingerprints=min(calls, 128),
        forks=0,
        workers=0,
    )


def _ending(rows: int, kind: Kind) -> records.RunEnd:
    return records.RunEnd(
        reason="closed",
        time_ns=rows * (kind.wall_ns + kind.wall_ns // 10 + kind.gap_ns),
        ended="2026-01-01T01:00:00Z",
        counters=_counters(rows),
    )


def main() -> None:
    """Write the journal that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--run", default="emt", choices=KINDS)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--whole", action="store_true", help="end the run properly")
    asked = parser.parse_args()
    write_journal(asked.path, rows=asked.rows, kind=KINDS[asked.run], torn=not asked.whole)


if __name__ == "__main__":
    main()
