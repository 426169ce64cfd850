"""Journals of many kinds of runs, for their pages to be opened."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.make_journal import KINDS, write_journal
from tests.journal.buckets import bucket_of
from tests.journal.specimens import MS, encoded, opening, start, whole

from instrumented_calc.cli import main
from instrumented_calc.journal import records as r

if TYPE_CHECKING:
    import msgspec

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"
    "'\"&\u2028\u202e{{ 7*7 }}\x1b[31m"
)
KEPT = {"event", "schema", "run_id", "kind", "unit", "level", "verdict"}  # without them it is no journal
DISTILLED = ("graph", "embedding", "message passing x5", "energy head", "backward", "to host")


def demo(path: Path) -> None:
    """Real dynamics of copper."""
    assert main(["demo", "--steps", "300", "--output", str(path)]) == 0


def neural(path: Path) -> None:
    """A torch model on a GPU: components, contractions, a trace window, places, garbage collection."""
    path.write_bytes(whole(1500))


def orb(path: Path) -> None:
    """Dynamics of Orb-v2 with random weights, recorded on a busy machine; names of places are replaced."""
    path.write_bytes((Path(__file__).parent / "orb-v2.jsonl").read_bytes())


def million(path: Path) -> None:
    """A million calls of EMT."""
    write_journal(path, rows=1_000_000, kind=KINDS["emt"], torn=False)


def ten_million(path: Path) -> None:
    """Ten million calls, kept as sums but for those sampled in between."""
    made = opening()
    for number in range(1000):
        first, begin = 10_000 * number, 20_000 * MS * number
        row = r.Call(index=first, start_ns=begin, wall_ns=MS + 7 * number, gap_ns=MS, step=first, sliced=True)
        row.components, row.rss_bytes = {"graph": MS // 2}, 10**9 + 10_000 * number
        if not number:
            row.lane, row.phase, row.n_atoms = 0, 0, 32
        times = r.Slice(
            start_ns=begin,
            end_ns=begin + 20_000 * MS,
            calls=10_000,
            nested=0,
            failed=0,
            unchanged=0,
            wall_ns=10_000 * MS,
            gap_ns=10_000 * MS,
            min_ns=MS - 100,
            max_ns=MS + 90_000,
            squares_ns2=10_000.0 * MS * MS,
            atom_calls=320_000,
            histogram=[(bucket_of(MS), 9_900), (bucket_of(MS + 90_000), 100)],
            phase=0,
            first_step=first,
            last_step=first + 9_999,
            components={"graph": 5_000 * MS},
        )
        made += [row, times]
    path.write_bytes(encoded(*made))


def ruined(path: Path) -> None:
    """Equilibration, then a barostat with too long a time constant: the cell grows until forces are NaN."""
    chance = random.Random(7)  # noqa: S311 - figures, not secrets
    made: list[msgspec.Struct] = []
    now = 0
    for index in range(3000):
        late = index >= 1000
        wall = int(8 * MS * (1 + 0.05 * chance.random() + (0.4 if index % 100 == 0 else 0)))
        step = index - 1000 if late else index
        row = r.Call(index=index, start_ns=now, wall_ns=wall, gap_ns=MS, step=step)
        row.components = {"neighbour list": wall // 5, "forces": wall // 2}
        if index in {0, 1000}:
            row.lane, row.phase, row.n_atoms = 0, int(late), 108
            row.properties, row.changes = ["energy", "forces", "stress"], ["positions"]
        if index % 10 == 0:
            row.rss_bytes = 180_000_000 + 9_000 * index
            row.cpu_ns = now
        made.append(row)
        if index % 25 == 0:
            made.append(_state(index, step, chance, late=late))
        if index % 250 == 0:
            waited = max(index - 2000, 0) * 3 * MS
            made.append(
                r.Machine(time_ns=now, processor_wait_ns=waited, cgroup_memory_limit_bytes=400_000_000)
            )
        now += wall + MS
    phases = [
        r.Phase(phase=0, driver="Langevin", kind="md", index=0, ensemble="NVT", timestep_fs=2.0),
        r.Phase(phase=1, driver="NPTBerendsen", kind="md", index=1000, ensemble="NPT", timestep_fs=2.0),
    ]
    lane = r.Lane(lane=0, calculator="asap3.EMT", seen_by="twin", n_atoms=108, formula="Cu108")
    path.write_bytes(encoded(start("ruined"), r.describe_fields(), lane, *phases, *made))


def _state(index: int, step: int, chance: random.Random, *, late: bool) -> r.State:
    grown = max(index - 2000, 0) / 1000
    lost = index >= 2800
    heat = 300 + 12 * chance.gauss(0, 1) + 9000 * grown**4
    return r.State(
        index=index,
        step=step,
        potential_ev=math.nan if lost else -370 + 4 * grown**2,
        kinetic_ev=math.nan if lost else heat * 108 * 1.5 * 8.617e-5,
        temperature_k=math.nan if lost else heat,
        target_k=300.0,
        volume_a3=1270 * (1 + (grown**3 if late else 0)),
        pressure_gpa=math.nan if lost else chance.gauss(0, 0.3) + 4 * grown,
        target_gpa=0.0,
        largest_force_ev_a=math.nan if lost else 1.2 + 30 * grown**3,
        non_finite=["forces"] if lost else r.State(index=0).non_finite,
    )


def partial(path: Path) -> None:
    """A journal that ends within a line."""
    content = whole(300)
    path.write_bytes(content[: len(content) * 2 // 3])


def empty(path: Path) -> None:
    """A run without calls."""
    path.write_bytes(encoded(start("empty")))


def hostile(path: Path) -> None:
    """Markup, scripts and control characters in every text of every record, names of parts included."""
    lines = [json.loads(line) for line in whole(200).split(b"\n") if line]
    path.write_bytes(b"".join(json.dumps(_spoilt(each)).encode() + b"\n" for each in lines))


def _spoilt(value: Any, key: str = "") -> Any:
    if isinstance(value, str):
        return value if key in KEPT else f"{value[:12]}{HOSTILE}"
    if isinstance(value, list):
        return [_spoilt(each, key) for each in value]
    if isinstance(value, dict):
        named = key in {"components", "counts", "device_ns", "compile_ns", "groups", "model", "settings"}
        return {f"{name}{HOSTILE}" if named else name: _spoilt(each, name) for name, each in value.items()}
    return value


def several_findings(path: Path) -> None:
    """Long names of parts, and spans of each kind close together."""
    made = opening()
    for index in range(600):
        row = r.Call(index=index, start_ns=index * 3 * MS, wall_ns=2 * MS, gap_ns=MS, step=index)
        row.components = {f"{name} of the model with a long name": MS // 4 for name in DISTILLED}
        if index == 0:
            row.lane, row.phase, row.n_atoms = 0, 0, 32
        if index in {0, 1, 300}:
            row.wall_ns = 400 * MS
            row.compile_ns = {"energy_and_forces": 390 * MS}
        if 50 <= index < 55:
            row.profiled = True
        if index in {200, 201}:
            row.failure = "RuntimeError"
        made.append(row)
    made += [
        r.Notice(kind="mark", text=f"changed the temperature for the {n}th time", time_ns=n * 90 * MS)
        for n in range(1, 9)
    ]
    path.write_bytes(encoded(*made))


JOURNALS = {
    "demo": demo,
    "neural": neural,
    "orb": orb,
    "million": million,
    "ten-million": ten_million,
    "ruined": ruined,
    "partial": partial,
    "empty": empty,
    "hostile": hostile,
    "crowded": several_findings,
}
