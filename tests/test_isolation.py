"""The tests leave nothing on the machine, and every test has a time limit."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
HANGS = """
import threading

def test_that_waits():
    threading.Event().wait()
"""


def test_temporary_files_of_a_test_are_among_those_of_pytest(tmp_path_factory):
    with tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).is_relative_to(tmp_path_factory.getbasetemp())


def test_temporary_files_of_a_process_that_a_test_starts_are_there_too(tmp_path_factory):
    asked = [sys.executable, "-c", "import tempfile; print(tempfile.mkdtemp())"]
    made = subprocess.run(asked, capture_output=True, check=True, text=True).stdout.strip()
    assert Path(made).is_relative_to(tmp_path_factory.getbasetemp())
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert Path(pool.apply(tempfile.mkdtemp)).is_relative_to(tmp_path_factory.getbasetemp())


def test_every_test_has_a_time_limit(pytestconfig):
    assert 0 < float(pytestconfig.getini("timeout")) <= 120
    limit = float(pytestconfig.getini("faulthandler_timeout"))
    assert limit > float(pytestconfig.getini("timeout"))
    assert pytestconfig.getini("faulthandler_exit_on_timeout")


@pytest.mark.slow
def test_a_test_that_hangs_fails_with_stacks(tmp_path):
    (tmp_path / "test_hang.py").write_text(HANGS, encoding="utf-8")
    options = ["-q", "-o", "timeout=1", "-p", "no:cacheprovider", "-c", str(REPOSITORY / "pyproject.toml")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir=.", "test_hang.py"],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "Timeout (>1.0s) from pytest-timeout" in done.stdout
    assert "threading.Event().wait()" in done.stdout
