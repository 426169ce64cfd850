"""A thread's waiting for a processor, as Linux counts it."""

import subprocess
import sys
import threading

import pytest

from instrumented_calc.capture.probes.run_delay import run_delay_ns

COMPETING = """
import os
import subprocess
import sys
import time

from instrumented_calc.capture.probes.machine import MachineProbe

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
probe = MachineProbe(forked=False)
before, until = probe.read(0).processor_wait_ns, time.monotonic() + 50
try:
    while probe.read(0).processor_wait_ns < before + 50_000_000:
        assert time.monotonic() < until
finally:
    other.kill()
    other.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_a_thread_that_shares_its_processor_waits():
    if run_delay_ns(threading.get_native_id()) is None:
        pytest.skip("this kernel does not count it")
    subprocess.run([sys.executable, "-c", COMPETING], check=True, timeout=100)


def test_of_a_thread_that_has_ended_nothing_is_known():
    assert run_delay_ns(2**30) is None
