"""No signal is ever taken: a process dies of it, or handles it, as it would without a recorder."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from tests.lifecycle.children import read_cut, run_script, started_script
from tests.support import read_records

from instrumented_calc.capture.open_calls import active
from instrumented_calc.capture.wrapping.twin import twin

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.run.recorder import Recorder

# Holds the main thread in C, where no Python handler runs.
IN_C = {
    "a lock": "lock = threading.Lock(); lock.acquire(); print('ready', flush=True); lock.acquire()",
    "a C function": "import ctypes; print('ready', flush=True); ctypes.PyDLL(None).sleep(50)",
    "numpy": "a = np.random.rand(4000, 4000); print('ready', flush=True)\nwhile True: np.linalg.svd(a)",
}


@pytest.mark.parametrize(
    "waiting",
    [
        pytest.param(code, id=name, marks=pytest.mark.slow if name == "numpy" else ())
        for name, code in IN_C.items()
    ],
)
def test_sigterm_kills_immediately_while_the_main_thread_is_in_c(waiting: str) -> None:
    with started_script(f"""
from stage import *

atoms = pair(ProfiledCalculator(Spring()))
for _ in range(20):
    step(atoms)
recording(atoms.calc).run._recorder.flush()
{waiting}
""") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.terminate()
        child.wait(timeout=25)  # each of them would take longer
    assert child.returncode == -15
    records = read_cut("run.jsonl")
    assert [row["index"] for row in records.calls] == list(range(20))
    assert records.of("run_end") == []


def test_sigterm_kills_immediately_while_threads_calculate() -> None:
    with started_script("""
from stage import *

def work():
    mine = pair(ProfiledCalculator(Spring()))
    while True:
        step(mine)

for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
journal = Path("run.jsonl")
rows = b'\\n{"event":"call"'  # the record of the fields names calls, too
while not journal.exists() or journal.read_bytes().count(rows) < 30:
    time.sleep(0.05)
print("ready", flush=True)
threading.Event().wait()
""") as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.terminate()
        child.wait(timeout=25)
    assert child.returncode == -15
    indices = [row["index"] for row in read_cut("run.jsonl").calls]
    assert len(set(indices)) == len(indices) > 20


def test_no_handler_is_set_in_the_whole_life_of_a_run() -> None:
    child = run_script("""
from stage import *

def handlers():
    return {n: signal.getsignal(n) for n in signal.valid_signals()}

before = handlers()
atoms = pair(ProfiledCalculator(Spring(), journal="one.jsonl"))
assert handlers() == before
step(atoms)
assert handlers() == before
pid = os.fork()
if pid == 0:
    step(atoms)
    os._exit(handlers() != before)
assert os.waitpid(pid, 0)[1] == 0
recording(atoms.calc).close()
assert handlers() == before
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
""")
    assert child.returncode == 0, child.stderr


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
        guarded.wait()  # one at a time: a second one would end this script while it handles the first
        guarded.clear()
        time.sleep(chance.uniform(0.0005, 0.003))
        os.kill(os.getpid(), signal.SIGINT)

guarded = threading.Event()
striker = threading.Thread(target=strike)
struck = 0
striker.start()
while striker.is_alive():
    try:
        guarded.set()
        while striker.is_alive():
            step(atoms)
            flush()
    except KeyboardInterrupt:
        struck += 1
assert struck > 50, struck
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
