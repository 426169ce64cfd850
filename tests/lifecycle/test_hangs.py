"""A file system that stops answering, a reader who stops reading: nothing of the program waits for them."""

from __future__ import annotations

import os
import time

import pytest
from tests.lifecycle.children import run_script, started_script
from tests.support import read_records

# From `hang()` on, a write to the journal never returns.
HANGING = """
from stage import *
from instrumented_calc.journal import writer

writer.on_network_file_system = lambda _: {network}
write, hangs, hanging = os.write, threading.Event(), threading.Event()

def hanging_write(fd, data):
    if hanging.is_set():
        hangs.set()
        os.read(os.pipe()[0], 1)  # blocked in a system call
    return write(fd, data)

os.write = hanging_write
atoms = pair(ProfiledCalculator(Spring()))
step(atoms)
recorder = recording(atoms.calc).run._recorder
recorder.flush()

def hang():
    hanging.set()
    while not hangs.wait(0.02):
        step(atoms)

def threads():
    return [t for t in threading.enumerate() if t.name == "instrumented-calc journal"]
"""


@pytest.mark.parametrize(
    ("network", "ending"),
    [
        (True, 'recorder.end("closed", patience_s=0.5)'),
        pytest.param(True, "recording(atoms.calc).close()", marks=pytest.mark.slow),  # five seconds each
        pytest.param(False, "recording(atoms.calc).close()", marks=pytest.mark.slow),
    ],
)
def test_the_end_of_a_run_waits_a_few_seconds_at_most(network: bool, ending: str) -> None:
    child = run_script(
        HANGING.format(network=network)
        + f"""
from instrumented_calc.capture.rows import keeping_up, row_maker
# The journal's thread writes, as it does while calls are fast and the machine is not busy.
row_maker.WRITE_AT_ONCE_NS = keeping_up.LATE_NS = 10**18
hang()
began = time.monotonic()
{ending}
print(time.monotonic() - began)
step(atoms)
"""
    )
    assert child.returncode == 0, child.stderr
    assert float(child.stdout) < 15
    assert "does not respond" in child.stderr


@pytest.mark.parametrize("patience_s", [0.5, pytest.param(5.0, marks=pytest.mark.slow)])
def test_the_interpreters_exit_waits_once_for_all_runs(patience_s: float) -> None:
    child = run_script(
        HANGING.format(network=True)
        + f"""
from instrumented_calc.capture.run import process_hooks

process_hooks.END_PATIENCE_S = {patience_s}
others = [pair(ProfiledCalculator(Spring(), journal=f"{{n}}.jsonl")) for n in range(8)]
for other in others:
    step(other)
hang()
"""
    )  # 45 seconds if they waited one after the other; without a limit, indefinitely
    assert child.returncode == 0, child.stderr


@pytest.mark.parametrize(
    ("number", "status"), [("SIGTERM", -15), pytest.param("SIGINT", -2, marks=pytest.mark.slow)]
)
def test_signals_end_a_program_that_waits_for_the_end_of_its_run(number: str, status: int) -> None:
    with started_script(
        HANGING.format(network=True)
        + f"""
signal.signal(signal.{number}, signal.SIG_DFL)
hang()
print("ready", flush=True)
recorder.end("closed", patience_s=1000)
"""
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.2)
        os.kill(child.pid, -status)
        assert child.wait(timeout=60) == status


@pytest.mark.slow
def test_forks_cost_little_and_leak_no_thread() -> None:
    child = run_script(
        HANGING.format(network=True)
        + """
hang()
time.sleep(1.5)
began = time.monotonic()
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    for _ in range(30):
        step(atoms)
print(time.monotonic() - began)
assert len(threads()) == 1, threads()
sys.stdout.flush()
os._exit(0)
""",
        options=("-W", "ignore::DeprecationWarning"),  # of the thread that hangs
    )
    assert child.returncode == 0, child.stderr
    assert float(child.stdout) < 15  # 26 s at 1.3 s each


@pytest.mark.slow
def test_rows_that_wait_for_a_hung_file_system_are_bounded_and_counted() -> None:
    child = run_script(
        """
import instrumented_calc.capture.rows.outbox as outbox, instrumented_calc.capture.rows.keeping_up as rows
outbox.CROWD = rows.CROWD = 200
"""
        + HANGING.format(network=True)
        + """
writer.WAITING_LIMIT = 20_000
hang()
longest = 0
for _ in range(3000):
    step(atoms)
    longest = max(longest, len(recorder.recording.outbox.rows))
    time.sleep(0.0002)
assert recorder.recording.writer.lost > 0
print(longest)
sys.stdout.flush()
os._exit(0)
"""
    )
    assert child.returncode == 0, child.stderr
    assert "does not respond" in child.stderr
    assert int(child.stdout) < 2500


def test_a_full_stderr_hangs_neither_calls_nor_the_exit() -> None:
    child = run_script("""
import os
reading, writing = os.pipe()
os.dup2(writing, 2)
os.set_blocking(2, False)
try:
    while True:
        os.write(2, b"x" * 4096)
except BlockingIOError:
    os.set_blocking(2, True)
from stage import *

atoms = pair(ProfiledCalculator(Spring(), summary=True))
step(atoms)
recording(atoms.calc).run._recorder.recording.notices.warn("planted", "nobody reads this")
step(atoms)
assert os.get_blocking(2)
""")
    assert child.returncode == 0
    records = read_records()
    assert [notice["kind"] for notice in records.notices] == ["planted"]
    assert records.end["reason"] == "exit"
    assert len(records.calls) == 2


def test_a_limit_on_the_size_of_files_is_a_full_disk_and_no_death() -> None:
    child = run_script("""
from stage import *
import resource

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
atoms = pair(ProfiledCalculator(Spring(), summary=False))
step(atoms)
recorder = recording(atoms.calc).run._recorder
recorder.flush()
size = os.path.getsize("run.jsonl")
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
for _ in range(50):
    step(atoms)
    recorder.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
step(atoms)
""")
    assert child.returncode == 0, child.stderr
    assert [row["index"] for row in read_records().calls] == list(range(52))
    assert read_records().counters["lost_rows"] == 0
