"""No process of a script that these tests run outlives it."""

from __future__ import annotations

import time

import psutil
from tests.lifecycle.children import started_script


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_script_is_killed_with_the_processes_that_it_started() -> None:
    with started_script("""
import subprocess
print(subprocess.Popen(["sleep", "1000"]).pid, flush=True)
subprocess.run(["sleep", "1000"])
""") as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        assert _is_running(grandchild)
    deadline = time.monotonic() + 30
    while _is_running(grandchild) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _is_running(grandchild)
