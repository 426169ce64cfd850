"""A thinned journal and its black box together lose no call to `kill -9`, and keep the newest in full.

A child notes when the journal's thread began its last complete round: judging by that, and not by the time of
the kill, holds on a machine that is busy as well. Rounds are 0.1 s apart.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from tests.lifecycle.children import read_fate, run_script

from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal.reader import read_journal

LIVES = """
from stage import *
from instrumented_calc.capture.rows import black_box, thinning
from instrumented_calc.capture.run.recorder import Recorder

black_box.CALLS = {kept}
thinning.FIRST_STRETCH_NS = {stretch}

beat = Recorder._beat

def life(ended):
    def noted(recorder):
        enough, began = ended[{calls} - 1], time.perf_counter_ns()
        beat(recorder)
        if enough:
            ended[-1] = began  # what ended before then has been handed to the kernel

    Recorder._beat = noted
    atoms = pair(ProfiledCalculator(Spring({seconds}), max_journal={limit}, summary=False))
    for number in range(399_999):
        step(atoms)
        ended[number] = time.perf_counter_ns()

litter({litter}, life, signal.SIGKILL, 0, {longest}, {seed}, calls=400_000)  # from the first such round on
"""


def _kill(**how: object) -> None:
    seed = random.randrange(10**6)  # noqa: S311 - no secret
    print("seed", seed)  # noqa: T201 - pytest shows it when the test fails
    child = run_script(LIVES.format(**{"seed": seed, "kept": 30_000, "stretch": 10**9, **how}))
    assert child.returncode == 0, child.stderr


@pytest.mark.parametrize(
    "stretch", [5 * 10**7, *(pytest.param(each, marks=pytest.mark.slow) for each in (10**9, 10**15))]
)
def test_fast_calls_of_a_thinned_run_are_there_up_to_a_moment_before_the_kill(stretch: int) -> None:
    _kill(seconds=0.0, litter=1, calls=2000, longest=0.6, limit=30_000, stretch=stretch, kept=500)
    fate, journal = read_fate(0), read_journal("0/run.jsonl")
    calls = journal.calls
    counted = summarize(journal).evaluations.calls
    *ended, beat = fate["ended_ns"]
    safe = sum(end < beat for end in ended)
    assert fate["status"] == -9
    assert safe >= 2000
    assert safe <= counted <= len(ended) + 1
    assert journal.bad_lines == 0
    kept = min(500, counted)
    assert calls.index[-kept:].tolist() == list(range(counted - kept, counted))
    assert Path("0/run.jsonl.last").exists()


def test_no_slow_call_of_a_thinned_run_is_lost() -> None:
    _kill(seconds=0.0115, litter=2, calls=10, longest=0.5, limit=2_000)
    for number in range(2):
        fate, journal = read_fate(number), read_journal(f"{number}/run.jsonl")
        counted = summarize(journal).evaluations.calls
        *ended, _ = fate["ended_ns"]
        assert len(ended) >= 10
        assert len(ended) <= counted <= len(ended) + 1
        assert np.diff(journal.calls.index).tolist() == [1] * (len(journal.calls) - 1)


GOES_ON = """
from stage import *

calc = ProfiledCalculator(Spring(), max_journal=30_000, summary=False)
atoms = pair(calc)
recorder = recording(calc).run._recorder

def steps(number):
    for _ in range(number):
        step(atoms)
    recorder.flush()

steps(500)
steps(500)
os.rename("run.jsonl", "moved.jsonl")
recorder.recording._last_tally = 0
deadline = time.monotonic() + 60
while not os.path.exists("run.jsonl") and time.monotonic() < deadline:
    time.sleep(0.05)
steps(500)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_thinned_journal_that_is_moved_continues_with_its_black_box() -> None:
    child = run_script(GOES_ON)
    assert child.returncode == -9, child.stderr
    journal = read_journal("run.jsonl")
    assert journal.calls.index[-400:].tolist() == list(range(1100, 1500))
    assert journal.damage.repeated == journal.damage.conflicting == 0


@pytest.mark.slow
def test_workers_have_a_black_box_each() -> None:
    child = run_script(
        """
from stage import *

atoms = pair(ProfiledCalculator(Spring(), max_journal=30_000, summary=False))
recorder = recording(atoms.calc).run._recorder
for _ in range(3):
    for _ in range(500):
        step(atoms)
    recorder.flush()
pid = os.fork()
for _ in range(3):
    for _ in range(500 if pid else 400):
        step(atoms)
    recorder.flush()
if pid:
    os.waitpid(pid, 0)
    os.rename(f"run.pid{pid}.jsonl", "child.jsonl")
    os.rename(f"run.pid{pid}.jsonl.last", "child.jsonl.last")
os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    assert child.returncode == -9, child.stderr
    assert summarize(read_journal("run.jsonl")).evaluations.calls == 3000
    assert summarize(read_journal("child.jsonl")).evaluations.calls == 1200
