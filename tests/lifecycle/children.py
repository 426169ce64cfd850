"""Scripts that are run in processes of their own, so that they can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support import Records

import instrumented_calc

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 100  # anything longer is a deadlock: less than a test may take, enough for a busy machine

# Imported by the scripts; a module of its own, so that spawned workers find the classes as well.
STAGE = '''
import itertools
import json
import mmap
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from instrumented_calc import ProfiledCalculator, profiled, recording


class Spring(Calculator):
    """Takes a given time for next to nothing."""

    implemented_properties = ["energy", "forces"]

    def __init__(self, seconds=0.0):
        super().__init__()
        self.seconds = seconds

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if self.seconds:
            time.sleep(self.seconds)
        distance = self.atoms.positions[1] - self.atoms.positions[0]
        self.results = {
            "energy": float(distance @ distance) / 2,
            "forces": np.array([distance, -distance]),
        }


def pair(calculator):
    atoms = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.5]])
    atoms.calc = calculator
    return atoms


def step(atoms):
    atoms.positions[0, 0] += 1e-3
    return atoms.get_potential_energy()


def keep_time(due, late):
    """Note how late a thread that sleeps for 50 ms is woken: the journal's thread may be as late."""
    for number in itertools.count():
        due[0] = time.perf_counter_ns() + 50_000_000
        time.sleep(0.05)
        late[number % len(late)] = time.perf_counter_ns() - due[0]


def shared(length):
    """Return integers that a forked child shares with this process."""
    return np.frombuffer(mmap.mmap(-1, 8 * length), dtype=np.int64)


def litter(number, life, signal_number, shortest, longest, seed, calls=1):
    """Fork processes that live in directories of their own and are killed; write down their fates.

    Each is killed a random time, in s, after a given number of its calls have ended.
    """
    chance = random.Random(seed)
    for name in map(str, range(number)):
        os.mkdir(name)
        ended, due, late = shared(400_000), shared(1), shared(40)
        pid = os.fork()
        if pid == 0:
            os.chdir(name)
            try:
                threading.Thread(target=keep_time, args=(due, late), daemon=True).start()
                life(ended)
            finally:
                os._exit(99)
        while not ended[calls - 1]:
            time.sleep(0.001)
        time.sleep(chance.uniform(shortest, longest))
        killed_ns = time.perf_counter_ns()
        os.kill(pid, signal_number)
        _, status = os.waitpid(pid, 0)
        fate = {
            "status": os.waitstatus_to_exitcode(status),
            "killed_ns": killed_ns,
            "late_ns": max(int(late.max()), killed_ns - int(due[0]), 0),
            "ended_ns": ended[ended > 0].tolist(),
        }
        Path(name, "fate.json").write_text(json.dumps(fate))
'''


def _environment(more: dict[str, str] | None) -> dict[str, str]:
    here = str(Path(instrumented_calc.__file__).parents[1])
    path = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", **(more or {})}


def run_script(
    text: str,
    *,
    env: dict[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    options: tuple[str, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a script in the working directory until it ends."""
    with started_script(text, env=env, prefix=prefix, options=options, stderr=subprocess.PIPE) as child:
        out, err = child.communicate(timeout=PATIENCE_S)
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


@contextmanager
def started_script(
    text: str,
    *,
    env: dict[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    options: tuple[str, ...] = (),
    stderr: int | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Start a script in the working directory; in the end it is killed with all processes that it started."""
    Path("stage.py").write_text(STAGE)
    Path("script.py").write_text(text)
    with subprocess.Popen(
        [*prefix, sys.executable, *options, "script.py"],
        env=_environment(env),
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            yield child
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def read_cut(path: str | os.PathLike[str]) -> Records:
    """Read a journal whose process was killed: only its last line may be torn."""
    *whole, _torn = Path(path).read_bytes().split(b"\n")
    return Records([json.loads(line) for line in whole])


def read_fate(directory: int | str) -> dict[str, Any]:
    """Return the record that `litter` wrote about a process."""
    fate: dict[str, Any] = json.loads(Path(str(directory), "fate.json").read_text())
    return fate
