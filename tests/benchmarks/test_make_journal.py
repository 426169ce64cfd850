"""The generated journals of a long run look like recorded ones."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet
from tests.benchmarks.make_journal import KINDS, write_journal

from instrumented_calc import ProfiledCalculator, recording

if TYPE_CHECKING:
    from pathlib import Path

# Of a recorded run: what has no counterpart in a made one is rare, or is written at its start or end.
RARE = {"notice", "step_profiles", "run_end", "places", "observers", "machine", "counters"}


def fields(path: Path) -> dict[str, Counter[str]]:
    """Return how many records of each kind have which fields."""
    found: dict[str, Counter[str]] = {}
    for line in path.read_bytes().splitlines()[2:-1]:
        record: dict[str, Any] = msgspec.json.decode(line)
        found.setdefault(record["event"], Counter()).update(record.keys())
    return found


def test_a_made_run_of_emt_has_the_records_and_fields_of_a_recorded_one(tmp_path):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    atoms.calc = ProfiledCalculator(EMT(), tmp_path / "real.jsonl", summary=False)
    dynamics = VelocityVerlet(atoms, 1.0)
    dynamics.attach(lambda: None, interval=10)
    dynamics.run(100)
    recording(atoms.calc).close()
    write_journal(tmp_path / "made.jsonl", rows=2000, kind=KINDS["emt"])
    real, made = fields(tmp_path / "real.jsonl"), fields(tmp_path / "made.jsonl")
    assert real.keys() - RARE <= made.keys()
    usual = {name for name, number in real["call"].items() if number > real["call"]["event"] / 2}
    assert {name for name, number in made["call"].items() if number > made["call"]["event"] / 2} == usual
    assert real["call"].keys() - {"gc_ns", "gc_generation"} <= made["call"].keys()
    assert {"temperature_k", "force_norm_ev_a", "moved_a"} <= real["state"].keys() & made["state"].keys()
