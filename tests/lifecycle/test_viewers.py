"""Viewers that come, go and are killed leave the run as it would be without them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.cli.terminals import Terminal
from tests.support import read_records

if TYPE_CHECKING:
    from pathlib import Path

STEPS = 400
RUN = f"""
import time
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet
from instrumented_calc import ProfiledCalculator

atoms = bulk("Cu", cubic=True)
atoms.rattle(0.02, seed=1)
atoms.calc = ProfiledCalculator(EMT(), summary=False, places=False)
dyn = VelocityVerlet(atoms, 5 * units.fs)
forces = open("forces", "w")
dyn.attach(lambda: print(*(x.hex() for x in atoms.get_forces().ravel()), file=forces))
dyn.attach(lambda: time.sleep(0.01))
while dyn.nsteps < {STEPS} or not __import__("os").path.exists("enough"):
    dyn.run(100)
"""


def started(folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir()
    (folder / "md.py").write_text(RUN, encoding="utf-8")
    run = subprocess.Popen([sys.executable, "md.py"], cwd=folder)
    until = time.monotonic() + 60
    while not (folder / "run.jsonl").exists() and time.monotonic() < until:
        time.sleep(0.05)
    return run


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_hundred_kills_of_the_viewer_change_nothing(tmp_path):
    """The forces are those of a run without viewers, bit by bit, and what is in the journal stays."""
    alone = started(tmp_path / "alone")
    (tmp_path / "alone" / "enough").touch()
    assert alone.wait(120) == 0
    watched = started(tmp_path / "watched")
    journal = tmp_path / "watched" / "run.jsonl"
    chance = random.Random(1)  # noqa: S311 - no secret
    before = b""
    for number in range(100):
        if number % 10 == 0:
            viewer = Terminal(tmp_path / "watched", "watch", "run.jsonl")
            viewer.read(chance.uniform(0.0, 1.5))
            os.kill(viewer.pid, signal.SIGKILL)
            viewer.end()
            viewer.close()
        else:
            piped = subprocess.Popen(
                [sys.executable, "-m", "instrumented_calc", "watch", "--once", "run.jsonl"],
                cwd=tmp_path / "watched",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            time.sleep(chance.uniform(0.0, 0.4))
            piped.kill()
            piped.wait()
        now = journal.read_bytes()
        assert now.startswith(before)
        before = now
    (tmp_path / "watched" / "enough").touch()
    assert watched.wait(120) == 0
    expected = (tmp_path / "alone" / "forces").read_text(encoding="ascii").splitlines()
    found = (tmp_path / "watched" / "forces").read_text(encoding="ascii").splitlines()
    assert len(expected) > STEPS
    assert found[: len(expected)] == expected
    records = read_records(journal)
    assert records.end["reason"] == "exit"
    assert [row["index"] for row in records.calls] == list(range(len(records.calls)))
    assert not records.counters.get("lost_rows")
    assert sorted(path.name for path in journal.parent.iterdir()) == [
        "enough",
        "forces",
        "md.py",
        "run.jsonl",
    ]
