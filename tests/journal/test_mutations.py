"""Journals damaged at random: whatever is read of them, nothing falls over."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.journal import mutations


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "sound.jsonl"
    path.write_bytes(mutations.SPECIMENS[0])
    return path


def damage(cases: range, seed: int, folder, sound) -> None:
    path = folder / "damaged.jsonl"
    for number in cases:
        path.write_bytes(mutations.case(number, seed))
        mutations.read_in_every_way(path, sound, comparing=number % mutations.COMPARED_EVERY == 0)


@pytest.mark.parametrize(
    "part", [0, 1, *(pytest.param(each, marks=pytest.mark.slow) for each in (2, 3, 4, 5))]
)
def test_damaged_journals_are_read_or_refused_in_one_line(tmp_path, sound, part):
    damage(range(50 * part, 50 * part + 50), 0, tmp_path, sound)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_damaged_journals_are_read_or_refused_in_one_line():
    """`python -m tests.journal.mutations 20000` tries more of them."""
    command = [sys.executable, "-m", "tests.journal.mutations", "2000", "1"]  # its memory is measured
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_specimens_are_valid_and_hold_every_kind_of_record(tmp_path):
    from instrumented_calc.journal.records import RECORDS  # noqa: PLC0415
    from instrumented_calc.journal.validation import validate_journal  # noqa: PLC0415

    seen: set[str] = set()
    for number, content in enumerate(mutations.SPECIMENS):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(content)
        checked = validate_journal(path)
        assert checked.valid, checked.problems
        seen |= checked.events.keys()
    missing = {str(each.__struct_config__.tag) for each in RECORDS} - seen
    assert missing <= {"last_calls", "open_call"}
