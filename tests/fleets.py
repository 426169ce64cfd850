"""Journals of a fleet: many runs on many nodes, whose times are given."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.journal import records

if TYPE_CHECKING:
    from pathlib import Path

MS = 1_000_000
_encode = msgspec.json.Encoder().encode
_FIELDS = _encode(records.describe_fields())


@dataclass(frozen=True)
class Made:
    """How one journal is made.

    Attributes:
        host: The node.
        call_ms: Usual duration of a call, ms.
        calls: Number of calls.
        started: Second of the hour at which the run started.
        energy_ev: Energy of the first frame; that of each next one differs by 1 meV.
        cpu: Processor model.
        ended: Whether it has its last record.
        start: More fields of the first record.
        end: More fields of the last record.
        counters: More counters at its end.
    """

    host: str = "n0"
    call_ms: float = 10.0
    calls: int = 60
    started: int = 0
    energy_ev: float = -3.5
    cpu: str = "a processor"
    ended: bool = True
    start: tuple[tuple[str, Any], ...] = ()
    end: tuple[tuple[str, Any], ...] = ()
    counters: tuple[tuple[str, Any], ...] = ()


def write_run(path: Path, made: Made, *, seed: int = 0) -> Path:
    """Write one journal, as the recorder would."""
    drawn = random.Random(f"{path.name} {seed}")  # noqa: S311 - figures, not secrets
    given = dict(made.start)
    environment = records.Environment(host=made.host, cpu=made.cpu, **given.pop("environment", {}))
    start = records.RunStart(
        schema=records.SCHEMA,
        run_id=given.pop("run_id", path.stem),
        started=f"2026-01-01T10:{made.started // 60:02}:{made.started % 60:02}.000+00:00",
        pid=1,
        version="0.1.0",
        command=given.pop("command", ["md.py", path.stem]),
        environment=environment,
        **given,
    )
    lane = records.Lane(0, "ase.calculators.emt.EMT", "twin", n_atoms=32, formula="Cu32")
    phase = records.Phase(0, "VelocityVerlet", "md", 0, ensemble="NVE", timestep_fs=1.0)
    now, lines = 0, [_encode(start), _FIELDS, _encode(lane), _encode(phase)]
    for index in range(made.calls):
        wall = int(made.call_ms * MS * drawn.uniform(0.97, 1.03))
        energy = made.energy_ev + 1e-3 * index
        row = records.Call(index=index, start_ns=now, wall_ns=wall, gap_ns=MS, step=index, energy_ev=energy)
        lines.append(_encode(row))
        now += wall + MS
    counters = records.Counters(calls=made.calls, **dict(made.counters))
    end = records.RunEnd(
        reason="closed",
        time_ns=now,
        ended="2026-01-01T11:00:00.000+00:00",
        counters=counters,
        run_id=start.run_id,
        **dict(made.end),
    )
    if made.ended:
        lines.append(_encode(end))
    path.write_bytes(b"\n".join([*lines, b""]))
    return path


def write_fleet(  # noqa: PLR0913 - keyword-only but for the folder
    folder: Path,
    *,
    runs: int,
    nodes: int,
    torn: int = 0,
    foreign: int = 0,
    slow_runs: int = 0,
    slower: float = 0.2,
    scatter: float = 0.03,
    seed: int = 1,
) -> None:
    """Write the journals of a fleet; node `slow` has `slow_runs` of the runs.

    Args:
        folder: Where.
        runs: All runs, the torn ones and those of the slow node included.
        nodes: Other nodes.
        torn: Runs whose journal ends within a line.
        foreign: Further files that are not journals.
        slow_runs: Runs of the slow node.
        slower: By which share it is slower.
        scatter: Standard deviation between runs, relative.
        seed: Of the drawn times.
    """
    drawn = random.Random(seed)  # noqa: S311 - figures, not secrets
    for number in range(runs):
        slow = number < slow_runs
        usual = 10.0 * (1 + slower * slow) * drawn.lognormvariate(0, scatter)
        host = "slow" if slow else f"n{number % nodes}"
        path = write_run(folder / f"run-{number}.jsonl", Made(host, usual, energy_ev=-number), seed=seed)
        if runs - number <= torn:
            data = path.read_bytes()
            path.write_bytes(data[: drawn.randrange(data.index(b'\n{"event":"call"'), len(data) - 20)])
    kinds = (b"", b"\x1f\x8b\x08zipped", b"x,y\n1,2\n", b'{"event":"other"}\n', b"\0" * 4096)
    for number in range(foreign):
        (folder / f"other-{number}.jsonl").write_bytes(kinds[number % len(kinds)])
