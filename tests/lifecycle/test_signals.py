"""SIGTERM ends a run properly; no other signal, and nobody else's handler, is touched."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from tests.lifecycle.children import read_fate, run_script, started_script
from tests.support import read_records

from instrumented_calc.capture.active import active
from instrumented_calc.capture.calculator import twin

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.recorder import Recorder

LIVES = """
from stage import *

def life(ended):
    atoms = pair(ProfiledCalculator(Spring({seconds})))
    flush = recording(atoms.calc).run._recorder.flush
    for number in range(400_000):
        step(atoms)
        ended[number] = time.perf_counter_ns()
        if {drains}:
            flush()

litter(12, life, signal.SIGTERM, 0, 0.25, {seed})
"""


@pytest.mark.parametrize(
    ("seconds", "drains"),
    [(0.0105, False), (0.0, False), (0.0, True)],
    ids=["slow calls", "fast calls", "always writing"],
)
def test_sigterm_writes_the_end_and_then_kills(seconds: float, drains: bool) -> None:
    seed = random.randrange(10**6)  # noqa: S311 - no secret
    print("seed", seed)  # noqa: T201 - pytest shows it when the test fails
    child = run_script(LIVES.format(seconds=seconds, drains=drains, seed=seed))
    assert child.returncode == 0, child.stderr
    assert child.stderr == ""
    for number in range(12):
        fate, records = read_fate(number), read_records(f"{number}/run.jsonl")
        assert fate["status"] == -15
        assert records.end["reason"] == "SIGTERM"
        indices = [row["index"] for row in records.calls]
        assert indices == list(range(len(indices)))
        assert len(fate["ended_ns"]) <= len(indices) <= len(fate["ended_ns"]) + 1
        assert records.counters["calls"] == len(indices)
        assert records.counters["lost_rows"] == 0


def test_sigterm_while_a_run_is_ending_waits_for_its_last_record() -> None:
    child = run_script("""
from stage import *
from instrumented_calc.capture.recorder import Recorder

atoms = pair(ProfiledCalculator(Spring()))
for _ in range(10):
    step(atoms)
last_record = Recorder._last_record

def struck(recorder, reason):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.01)
    return last_record(recorder, reason)

Recorder._last_record = struck
recording(atoms.calc).close()
print("still alive")
""")
    assert child.returncode == -15
    assert child.stdout == ""
    assert read_records().end["reason"] == "closed"
    assert read_records().counters["calls"] == 10


def test_a_handler_of_the_users_own_is_left_alone() -> None:
    child = run_script("""
from stage import *

def mine(number, frame):
    print("mine", flush=True)
    sys.exit(7)

signal.signal(signal.SIGTERM, mine)
atoms = pair(ProfiledCalculator(Spring()))
step(atoms)
assert signal.getsignal(signal.SIGTERM) is mine
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(5)
""")
    assert (child.returncode, child.stdout) == (7, "mine\n")
    assert read_records().end["reason"] == "exit"


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    child = run_script("""
from stage import *

signal.signal(signal.SIGTERM, signal.SIG_IGN)
atoms = pair(ProfiledCalculator(Spring()))
step(atoms)
os.kill(os.getpid(), signal.SIGTERM)
step(atoms)
""")
    assert child.returncode == 0
    assert read_records().counters["calls"] == 2


def test_the_handler_is_taken_at_the_first_call_and_given_back_with_the_last_run() -> None:
    child = run_script("""
from stage import *

def handler():
    return signal.getsignal(signal.SIGTERM)

others = {n: signal.getsignal(n) for n in signal.valid_signals() if n != signal.SIGTERM}
one = pair(ProfiledCalculator(Spring(), journal="one.jsonl"))
two = pair(ProfiledCalculator(Spring(), journal="two.jsonl"))
assert handler() is signal.SIG_DFL
step(one)
step(two)
assert handler() is not signal.SIG_DFL
recording(one.calc).close()
assert handler() is not signal.SIG_DFL
recording(two.calc).close()
assert handler() is signal.SIG_DFL
assert others == {n: signal.getsignal(n) for n in others}
""")
    assert child.returncode == 0, child.stderr


def test_calls_off_the_main_thread_are_recorded_and_take_no_signal() -> None:
    child = run_script("""
from stage import *

def work():
    atoms = pair(ProfiledCalculator(Spring()))
    for _ in range(20):
        step(atoms)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

thread = threading.Thread(target=work)
thread.start()
thread.join()
""")
    assert child.returncode == 0, child.stderr
    assert "Error" not in child.stderr
    assert read_records().counters["calls"] == 20


def test_sigterm_reaches_a_run_whose_calls_are_made_in_threads() -> None:
    with started_script("""
from stage import *

atoms = pair(ProfiledCalculator(Spring()))
step(atoms)

def work():
    mine = pair(ProfiledCalculator(Spring()))
    while True:
        step(mine)

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
print("ready", flush=True)
while True:  # Python notices a signal that comes just before a system call only after it
    time.sleep(0.05)
""") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.terminate()
        child.wait(timeout=90)
    assert child.returncode == -15
    records = read_records()
    indices = [row["index"] for row in records.calls]
    assert records.end["reason"] == "SIGTERM"
    assert len(set(indices)) == len(indices) > 100


def test_ctrl_c_passes_and_the_run_stays_usable() -> None:
    seed = random.randrange(10**6)  # noqa: S311 - no secret
    print("seed", seed)  # noqa: T201 - pytest shows it when the test fails
    child = run_script(f"""
from stage import *

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored
chance = random.Random({seed})
atoms = pair(ProfiledCalculator(Spring()))
step(atoms)
flush = recording(atoms.calc).run._recorder.flush

def strike():
    for _ in range(400):
        time.sleep(chance.uniform(0.0005, 0.003))
        os.kill(os.getpid(), signal.SIGINT)

striker = threading.Thread(target=strike)
struck = 0
striker.start()
while striker.is_alive():
    try:
        try:
            while striker.is_alive():
                step(atoms)
                flush()
        except KeyboardInterrupt:
            struck += 1
    except KeyboardInterrupt:
        struck += 1
assert struck > 300, struck
time.sleep(0.01)
for _ in range(100):
    step(atoms)
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
""")
    assert child.returncode == 0, child.stderr
    records = read_records()
    rows = records.calls
    indices = [row["index"] for row in rows]
    assert all("parent" not in row for row in rows)
    assert indices == sorted(set(indices))
    # A call that Ctrl-C ended may be without a row; those that ended by themselves are all there.
    assert indices[-1] + 1 - len(indices) <= 400
    assert indices[-100:] == list(range(indices[-1] - 99, indices[-1] + 1))
    assert {row.get("failure", "KeyboardInterrupt") for row in rows} == {"KeyboardInterrupt"}
    assert records.counters["nested"] == 0


@pytest.mark.parametrize("by_keyword", [False, True])
@pytest.mark.parametrize("reading", range(1, 6))
def test_ctrl_c_at_any_reading_of_the_clock_leaves_no_call_open(
    reading: int, by_keyword: bool, make_recorder: Callable[..., Recorder]
) -> None:
    main = threading.main_thread()
    armed: list[int] = []

    def clock() -> int:
        if armed and threading.current_thread() is main:
            armed[0] -= 1
            if not armed[0]:
                armed.clear()
                raise KeyboardInterrupt
        return time.perf_counter_ns()

    recorder = make_recorder(clock=clock)
    calculator = twin(LennardJones(), recorder)
    atoms = Atoms("Ar2", [[0, 0, 0], [0, 0, 3.5]])

    def calculate() -> None:
        if by_keyword:
            calculator.calculate(atoms=atoms, properties=["energy"], system_changes=["positions"])
        else:
            calculator.calculate(atoms, ["energy"], ["positions"])

    calculate()
    armed.append(reading)
    try:
        calculate()
        struck = False
    except KeyboardInterrupt:
        struck = True
    armed.clear()
    assert active.stack == []
    assert struck or reading > 3
    for _ in range(3):
        calculate()
    recorder.end("closed")
    rows = read_records().calls
    assert all("parent" not in row for row in rows)
    assert [row["index"] for row in rows][-3:] == [2, 3, 4]
    assert len({row["index"] for row in rows}) == len(rows) >= 4
