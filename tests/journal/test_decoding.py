"""Several threads may be the first to decode into a type."""

from __future__ import annotations

import subprocess
import sys

THREADS = """
import gc
import sys
import threading

from instrumented_calc.journal.decoding import decoder
from instrumented_calc.journal.records import RunStart

LINE = (
    b'{"event":"run_start","schema":"1.0","run_id":"a","started":"x","pid":1,"version":"1",'
    b'"command":["a"],"directory":"x","settings":{},"environment":{}}'
)
gc.set_threshold(5)  # resolving a type then collects garbage in between, and so lets other threads in
sys.setswitchinterval(1e-5)
gc.callbacks.append(lambda when, information: [None for _ in range(20)])
barrier, decoded = threading.Barrier(8), []


def decode():
    barrier.wait()
    for _ in range(3):
        decoded.append(decoder(RunStart).decode(LINE).pid)


threads = [threading.Thread(target=decode) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert decoded == [1] * 24, decoded
"""


def test_threads_that_decode_for_the_first_time_concurrently():
    for _ in range(10):
        subprocess.run([sys.executable, "-c", THREADS], timeout=60, check=True, capture_output=True)
