"""Sampled stacks of a run that is killed, and of one that forks."""

from __future__ import annotations

import signal
import sys

import pytest
from tests.lifecycle.children import read_cut, run_script
from tests.support import read_records

SLOW = """
from stage import *

def planted():
    time.sleep(0.02)

class Slow(Spring):
    def calculate(self, *args, **kwargs):
        planted()
        super().calculate(*args, **kwargs)

atoms = pair(ProfiledCalculator(Slow(), summary=False))
"""

KILLED = """
until = time.monotonic() + 50
while time.monotonic() < until:
    step(atoms)
    if b'\\n{"event":"places"' in Path("run.jsonl").read_bytes():
        os.kill(os.getpid(), signal.SIGKILL)
"""

FORKED = """

def samples():
    return recording(atoms.calc).run._recorder.recording._stack_samples._table.samples

def work():
    until = time.monotonic() + 50
    step(atoms)
    while samples() < 4 and time.monotonic() < until:
        step(atoms)

work()
child = os.fork()
work()
if child:
    assert os.waitpid(child, 0)[1] == 0
recording(atoms.calc).close()
os._exit(0)
"""


def functions(records) -> set[str]:
    record = records.of("places")[-1]
    return {
        record["lines"][number]["function"] for stack in record["stacks"] for number in stack.get("stack", [])
    }


@pytest.mark.slow
def test_a_killed_run_has_its_samples_up_to_the_last_record() -> None:
    child = run_script(SLOW + KILLED)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert "planted" in functions(read_cut("run.jsonl"))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL") or sys.platform == "win32", reason="no fork")
def test_a_forked_child_has_samples_of_its_own_in_its_own_journal(working_directory) -> None:
    child = run_script(SLOW + FORKED)
    assert child.returncode == 0, child.stderr
    journals = sorted(working_directory.glob("run*.jsonl"))
    assert len(journals) == 2
    for journal in journals:
        assert "planted" in functions(read_records(journal))
