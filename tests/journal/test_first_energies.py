"""The energies of a run's first geometries."""

from __future__ import annotations

import msgspec
import pytest

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal.first_energies import FIRST, read_energies
from instrumented_calc.journal.records import SCHEMA, Call, RunStart

START = RunStart(schema=SCHEMA, run_id="r", started="2026-01-01T00:00:00Z", pid=1, version="0.1.0")


@pytest.fixture
def energies(tmp_path):
    def read(*calls: Call, more: bytes = b"", most: int = 200):
        path = tmp_path / "run.jsonl"
        path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (START, *calls)) + more)
        return read_energies(path, most)

    return read


def test_frames_are_known_by_lane_phase_step_and_number(energies):
    found = energies(
        Call(0, lane=0, phase=2, step=0, n_atoms=4, energy_ev=1.0),
        Call(1, step=0, energy_ev=2.0),
        Call(2, step=1, energy_ev=3.0),
        Call(3, step=1, energy_ev=4.0, lane=1),
    )
    assert [each.place for each in found] == [FIRST, (0, 2, 0, 1), (0, 2, 1, 0), (1, 2, 1, 0)]
    assert [each.energy_ev for each in found] == [1.0, 2.0, 3.0, 4.0]
    assert {each.n_atoms for each in found} == {4}


def test_repeated_nested_failed_and_unknown_energies_are_not_frames(energies):
    found = energies(
        Call(0, changes=["positions"], energy_ev=1.0),
        Call(1, changes=[], energy_ev=1.0),
        Call(2, changes=["positions"], parent=3, energy_ev=2.0),
        Call(4, failure="RuntimeError", energy_ev=2.0),
        Call(5),
        Call(6, energy_ev=3.0),
    )
    assert [each.energy_ev for each in found] == [1.0, 3.0]


def test_a_non_finite_energy_gives_a_frame_without_energy(energies):
    assert energies(Call(0, energy_ev=float("nan")))[0].energy_ev is None


def test_only_the_beginning_is_read_and_damaged_lines_are_passed_over(energies):
    calls = [Call(n, energy_ev=1.0) for n in range(5)]
    assert len(energies(*calls, most=3)) == 3
    assert len(energies(*calls, more=b'{"event":"call","index":\n{"event":"call","energy_ev":"x"}\n')) == 5


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(JournalReadError, match="cannot read"):
        read_energies(tmp_path / "none.jsonl")
