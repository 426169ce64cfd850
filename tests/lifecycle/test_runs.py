"""Related calculations are one run: images, structures, committees, and successive drivers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.mixing import SumCalculator
from ase.calculators.morse import MorsePotential
from ase.md.langevin import Langevin
from ase.md.nptberendsen import NPTBerendsen
from ase.md.verlet import VelocityVerlet
from ase.mep import NEB
from ase.optimize import BFGS
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import Records


@pytest.fixture
def finished() -> Callable[[], Records]:
    """End the process's run; there must be one journal with one row per call."""

    def finish() -> Records:
        recording(ProfiledCalculator(LennardJones())).close()
        assert [path.name for path in Path().glob("*.jsonl")] == ["run.jsonl"]
        records = read_records()
        indices = sorted(row["index"] for row in records.calls)
        assert indices == list(range(records.counters["calls"]))
        assert records.counters["faults"] == 0
        return records

    return finish


def _copper() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, rng=np.random.default_rng(1))
    return atoms


@pytest.mark.parametrize("parallel", [False, True], ids=["in turn", "in threads"])
def test_16_images_of_a_band_make_one_journal(parallel: bool, finished: Callable[[], Records]) -> None:
    images = [_copper() for _ in range(18)]
    images[-1].rattle(0.1, rng=np.random.default_rng(2))
    for image in images[1:-1]:
        image.calc = ProfiledCalculator(EMT())
    world = _OneRank() if parallel else None
    band = NEB(images, method="improvedtangent", parallel=parallel, world=world)
    band.interpolate()
    for end in (images[0], images[-1]):
        end.calc = EMT()
        end.get_potential_energy()
    BFGS(band, logfile=None).run(fmax=1e-9, steps=3)
    records = finished()
    assert len(records.of("lane")) == 16
    assert {row["lane"] for row in records.calls} == set(range(16))
    calls = [sum(row["lane"] == lane for row in records.calls) for lane in range(16)]
    assert set(calls) == {calls[0]}
    assert calls[0] >= 4
    assert records.counters["nested"] == 0
    assert [phase["driver"] for phase in records.of("phase")] == ["BFGS"]
    assert {row["phase"] for row in records.calls} == {1}


class _OneRank:
    """Makes ASE's NEB calculate its images in threads."""

    size = 1
    rank = 0

    def broadcast(self, data: object, root: int) -> None:
        pass


def test_a_loop_over_500_structures_makes_one_journal(finished: Callable[[], Records]) -> None:
    for number in range(500):
        atoms = Atoms("Ar2", [[0, 0, 0], [0, 0, 3.5 + number / 1000]])
        atoms.calc = ProfiledCalculator(LennardJones())
        atoms.get_potential_energy()
    records = finished()
    assert records.counters["calls"] == len(records.of("lane")) == 500
    assert records.end["reason"] == "closed"


def test_a_committees_members_are_inside_and_totals_count_them_once(
    finished: Callable[[], Records],
) -> None:
    members = [ProfiledCalculator(LennardJones()), ProfiledCalculator(MorsePotential())]
    atoms = Atoms("Ar2", [[0, 0, 0], [0, 0, 3.5]])
    atoms.calc = ProfiledCalculator(SumCalculator(members))
    bare = atoms.copy()
    bare.calc = SumCalculator([LennardJones(), MorsePotential()])
    for _ in range(10):
        for each in (atoms, bare):
            each.positions[0, 0] += 0.01
        assert atoms.get_potential_energy() == bare.get_potential_energy()
    records = finished()
    rows = {row["index"]: row for row in records.calls}
    outer = [row for row in rows.values() if "parent" not in row]
    inner = [row for row in rows.values() if "parent" in row]
    assert (len(outer), len(inner)) == (10, 20)
    assert records.counters["nested"] == 20
    for row in outer:
        inside = [each for each in inner if each["parent"] == row["index"]]
        assert len(inside) == 2
        assert sum(each["wall_ns"] for each in inside) <= row["wall_ns"]
        assert {each["lane"] for each in inside} == {0, 1}
        assert row["lane"] == 2


def test_relaxation_nvt_and_npt_are_three_phases_of_one_run(
    finished: Callable[[], Records],
) -> None:
    atoms = _copper()
    atoms.calc = ProfiledCalculator(EMT())
    atoms.get_potential_energy()
    BFGS(atoms, logfile=None).run(fmax=1e-9, steps=5)
    random = np.random.RandomState(3)
    bath = {"temperature_K": 300, "friction": 0.02, "fixcm": False, "rng": random}
    Langevin(atoms, 2 * units.fs, **bath).run(20)
    NPTBerendsen(
        atoms, 1 * units.fs, temperature_K=300, pressure_au=0, compressibility_au=4.57e-5 / units.bar
    ).run(20)
    VelocityVerlet(atoms, 5 * units.fs).run(20)
    records = finished()
    phases = records.of("phase")
    assert [phase["driver"] for phase in phases] == [
        "BFGS",
        "Langevin",
        "NPTBerendsen",
        "VelocityVerlet",
    ]
    assert [phase.get("ensemble") for phase in phases] == [None, "NVT", "NPT", "NVE"]
    assert [phase.get("timestep_fs") for phase in phases] == pytest.approx([None, 2, 1, 5])
    for phase in phases[1:]:
        rows = [row for row in records.calls if row["phase"] == phase["phase"]]
        assert len(rows) >= 19
        steps = [row["step"] for row in rows]
        assert steps == sorted(steps)
        assert steps[-1] in (19, 20)
