"""The history of gates: one file for each set of equal keys, damaged files refused."""

from __future__ import annotations

import numpy as np
import pytest

from instrumented_calc.analysis.comparison.measured_run import MeasuredRun
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.gate.history import remember


def runs_of(level: float, started: str, **evidence) -> list[MeasuredRun]:
    return [
        MeasuredRun("r", 9, (level * 1e6 * each,) * 3, np.ones(1), evidence=evidence, started=started)
        for each in (1.0, 1.01)
    ]


def test_results_with_other_keys_are_apart_but_not_those_with_other_libraries(tmp_path):
    remember(tmp_path, runs_of(1.0, "2", cpu={"cpu": "EPYC"}, libraries={"ase": "3.25"}))
    found = remember(tmp_path, runs_of(2.0, "1", cpu={"cpu": "EPYC"}, libraries={"ase": "3.26"}))
    assert [each["started"] for each in found] == ["1", "2"]
    assert [each["libraries"] for each in found] == [{"ase": "3.26"}, {"ase": "3.25"}]
    assert len(remember(tmp_path, runs_of(1.0, "3", cpu={"cpu": "Xeon"}))) == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_a_single_run_is_not_remembered(tmp_path):
    assert remember(tmp_path, runs_of(1.0, "1")[:1]) == []


@pytest.mark.parametrize("content", ["{", "[]\n", '{"median_ns": "x", "started": "1"}\n'])
def test_a_file_that_is_no_history_is_refused(tmp_path, content):
    remember(tmp_path, runs_of(1.0, "1"))
    path = next(tmp_path.iterdir())
    path.write_text(content)
    with pytest.raises(ExperimentError, match="not a history of gates"):
        remember(tmp_path, runs_of(1.0, "2"))
    assert path.read_text() == content


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ExperimentError, match="cannot write"):
        remember(tmp_path / "file", runs_of(1.0, "1"))
