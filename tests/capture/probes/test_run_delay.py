"""A thread's CPU time and its waiting for a processor, as Linux counts them."""

import sys
import threading
import time

import pytest

from instrumented_calc.capture.probes.run_delay import RunDelay


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_cpu_time_grows_with_work():
    delay = RunDelay(threading.get_native_id())
    before = delay.read()
    if before is None:
        pytest.skip("this kernel does not count it")
    until = time.thread_time_ns() + 30_000_000
    while time.thread_time_ns() < until:
        pass
    time.sleep(0)  # counted when the thread leaves its processor, or at a tick of the clock
    after = delay.read()
    delay.close()
    assert after[0] - before[0] > 10_000_000
    assert after[1] >= before[1]


def test_where_there_is_none_nothing_is_known():
    delay = RunDelay(2**30)
    assert delay.read() is None
    delay.close()
    delay.close()
