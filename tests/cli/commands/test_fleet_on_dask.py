"""`report` of a fleet whose journals are read by the workers of a Dask scheduler."""

from pathlib import Path

import pytest
from tests.fleets import write_fleet

from instrumented_calc.cli import fleet_reading, main

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

REPORT = ["report", "*.jsonl", "--fleet", "--format", "json"]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Two workers, which have other working directories than the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
        with distributed.LocalCluster(**options) as cluster:
            yield cluster.scheduler_address


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_fleet(tmp_path, runs=100, nodes=19, torn=5, foreign=6, slow_runs=5)
    monkeypatch.setattr(fleet_reading, "BATCH", 7)


def test_workers_read_the_same_as_this_machine(fleet, address, capsys):
    assert main(REPORT) == 0
    here = capsys.readouterr().out
    assert main([*REPORT, "--scheduler-address", address]) == 0
    assert capsys.readouterr().out == here


def test_workers_that_do_not_see_the_folder_are_named(fleet, address, capsys, monkeypatch):
    monkeypatch.setattr(Path, "cwd", lambda: Path("/a/folder/of/this/machine"))
    assert main([*REPORT, "--scheduler-address", address]) == 5
    said = capsys.readouterr().err
    assert "cannot read other-0.jsonl" not in said  # which is not a journal here either
    assert "cannot read run-0.jsonl, which is a journal: No such file" in said
    assert "they must see this folder" in said


def test_a_scheduler_that_does_not_answer_is_one_line(fleet, capsys):
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        assert main([*REPORT, "--scheduler-address", "tcp://127.0.0.1:1"]) == 5
    assert "no Dask scheduler at tcp://127.0.0.1:1" in capsys.readouterr().err
