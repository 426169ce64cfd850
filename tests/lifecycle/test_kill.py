"""`kill -9` at any moment: the journal has all rows that are guaranteed to be written."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from tests.lifecycle.children import read_cut, read_fate, run_script

LIVES = """
from stage import *

def life(ended):
    atoms = pair(ProfiledCalculator(Spring({seconds})))
    for number in range(400_000):
        step(atoms)
        ended[number] = time.perf_counter_ns()

litter({litter}, life, signal.SIGKILL, {shortest}, {longest}, {seed})
"""


def _ended_before(fate: dict[str, Any], ns: int) -> int:
    """Return how many calls ended at least that long before the kill.

    On a busy machine the journal's thread is woken late. Another thread measured how late; writing takes
    a few turns.
    """
    limit = fate["killed_ns"] - ns - 3 * fate["late_ns"]
    return sum(end < limit for end in fate["ended_ns"])


def _kill(**how: object) -> None:
    seed = random.randrange(10**6)  # noqa: S311 - no secret
    print("seed", seed)  # noqa: T201 - pytest shows it when the test fails
    child = run_script(LIVES.format(seed=seed, **how))
    assert child.returncode == 0, child.stderr


def test_no_ended_call_of_10_ms_or_more_is_lost() -> None:
    _kill(seconds=0.0115, litter=3, shortest=0.1, longest=0.5)
    for number in range(3):
        fate, records = read_fate(number), read_cut(f"{number}/run.jsonl")
        assert fate["status"] == -9
        indices = [row["index"] for row in records.calls]
        ended = len(fate["ended_ns"])
        assert ended >= 1
        assert indices == list(range(len(indices)))
        assert ended <= len(indices) <= ended + 1
        assert records.of("run_end") == []


@pytest.mark.parametrize("seconds", [0.0, pytest.param(0.0005, marks=pytest.mark.slow)])
def test_fast_calls_that_ended_a_moment_before_are_there(seconds: float) -> None:
    _kill(seconds=seconds, litter=1, shortest=0.8, longest=1.0)  # one at a time: each needs a processor
    fate, records = read_fate(0), read_cut("0/run.jsonl")
    indices = [row["index"] for row in records.calls]
    safe = _ended_before(fate, 300_000_000)
    assert len(indices) >= 1
    assert indices == list(range(len(indices)))
    assert safe <= len(indices) <= len(fate["ended_ns"]) + 1
    assert records.of("run_end") == []


@pytest.mark.slow
def test_runs_killed_at_any_moment_have_the_rows_that_are_promised() -> None:
    seed = random.randrange(10**6)  # noqa: S311 - no secret
    child = run_script(
        f"""
import sys

sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.lifecycle import kills

sys.exit(kills.main(10, {seed}))
"""
    )
    assert child.returncode == 0, child.stdout + child.stderr
