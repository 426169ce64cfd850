"""The examples that pass a run to a tracker, with the real libraries where they are installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet

from instrumented_calc import profiled

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def _recorded() -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.02, seed=1)
    with profiled(EMT(), "run.jsonl", summary=False) as atoms.calc:
        VelocityVerlet(atoms, 5 * units.fs).run(30)


def run(name: str, library: str, **variables: str) -> None:
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), "run.jsonl"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_mlflow(tmp_path):
    run(
        "to_mlflow.py",
        "mlflow",
        MLFLOW_TRACKING_URI=(tmp_path / "mlruns").as_uri(),
        MLFLOW_ALLOW_FILE_STORE="true",
    )
    (values,) = tmp_path.glob("mlruns/*/*/metrics/call_ms")
    assert len(values.read_text(encoding="utf-8").splitlines()) == 31
    assert list(tmp_path.glob("mlruns/*/*/artifacts/run.jsonl"))


@pytest.mark.slow
def test_wandb_without_a_network(tmp_path):
    run("to_wandb.py", "wandb", WANDB_MODE="offline", WANDB_DIR=str(tmp_path), HOME=str(tmp_path))
    (written,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    assert b"call_ms" in written.read_bytes()


@pytest.mark.slow
def test_tensorboard(tmp_path):
    run("to_tensorboard.py", "tensorboardX")
    (written,) = tmp_path.glob("tensorboard/events*")
    assert b"call/ms" in written.read_bytes()
