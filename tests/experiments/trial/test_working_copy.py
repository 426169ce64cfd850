"""Copies of the working directory."""

import os

import pytest

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.trial import working_copy
from instrumented_calc.experiments.trial.working_copy import WorkingCopy


def test_a_copy_has_the_inputs_and_shares_nothing(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.xyz").write_text("input")
    (tmp_path / "link.xyz").symlink_to(tmp_path / "data" / "a.xyz")
    for skipped in (".git", "env", "try"):
        (tmp_path / skipped).mkdir()
        (tmp_path / skipped / "pyvenv.cfg").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "broken").symlink_to("nowhere")
    copy = WorkingCopy(tmp_path, tmp_path / "try").make("001/work")
    assert {path.name for path in copy.iterdir()} == {"data", "link.xyz"}
    (copy / "link.xyz").write_text("output")
    assert (tmp_path / "data" / "a.xyz").read_text() == "input"
    assert (copy / "data" / "a.xyz").read_text() == "input"


def test_a_folder_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(working_copy, "MOST_BYTES", 1000)
    (tmp_path / "large").write_bytes(bytes(1001))
    with pytest.raises(ExperimentError, match="start from a folder with only the program"):
        WorkingCopy(tmp_path, tmp_path / "try")
