"""Profiles of a whole block, as users of the MLFF-Distiller profiler know them."""

from __future__ import annotations

import inspect
import json
import shlex
import sys

import pytest

from instrumented_calc import ProfilerContext, profile_with_nsys
from instrumented_calc.errors import ExperimentError


def test_the_signatures_are_those_of_the_other_profiler():
    defaults = {name: each.default for name, each in inspect.signature(ProfilerContext).parameters.items()}
    assert defaults == {
        "output_dir": None,
        "profile_memory": True,
        "record_shapes": True,
        "with_stack": False,
        "name": "profile",
    }
    assert [*inspect.signature(profile_with_nsys).parameters] == ["command", "output_file", "cuda_events"]


def test_without_torch_the_error_states_how_to_go_on(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(ExperimentError, match="import torch before"), ProfilerContext():
        pass
    assert "torch" not in sys.modules


def test_a_block_is_printed_and_written_as_a_trace(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    for number in ("", "-2"):
        with ProfilerContext(tmp_path / "new", name="block") as context:
            torch.ones(30, 30) @ torch.ones(30, 30)
        assert "aten::mm" in capsys.readouterr().out
        assert context.trace_path == tmp_path / f"new/block_trace{number}.json"
        events = json.loads(context.trace_path.read_text())["traceEvents"]
        assert any(each.get("name") == "aten::mm" for each in events)


def test_without_a_folder_no_file_is_written(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    with ProfilerContext() as context:
        torch.ones(3)
    assert "aten::ones" in capsys.readouterr().out
    assert context.trace_path is None
    assert not [*tmp_path.iterdir()]


def test_the_exception_of_a_block_is_the_one_that_arrives(tmp_path, capsys):
    pytest.importorskip("torch")
    with pytest.raises(ZeroDivisionError), ProfilerContext(tmp_path):
        raise ZeroDivisionError
    assert not capsys.readouterr().out
    assert not [*tmp_path.iterdir()]


def test_a_trace_that_cannot_be_written_is_one_line(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "file").write_text("")
    with pytest.raises(ExperimentError, match="another output_dir"), ProfilerContext(tmp_path / "file"):
        pass


def test_the_command_of_nsys_runs_the_program_as_it_is(capsys):
    text = profile_with_nsys(["python", "my md.py", "--steps=3"], "out.nsys-rep")
    assert capsys.readouterr().out == f"{text}\n"
    assert shlex.split(text) == [
        *("nsys", "profile", "--trace=cuda,nvtx,osrt", "--output=out.nsys-rep"),
        *("python", "my md.py", "--steps=3"),
    ]
    assert "cuda" not in profile_with_nsys("python md.py", cuda_events=False)
