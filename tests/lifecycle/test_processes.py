"""Forks, pools and MPI ranks: each process has a journal of its own, and no one waits for anyone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.lifecycle.children import read_cut, run_script
from tests.support import Records, read_records

POOL = """
from stage import *
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

def work(job):
    atoms, steps = job
    energies = [step(atoms) for _ in range(steps)]
    return os.getpid(), energies[-1]

def inherited(steps):
    return work((ATOMS, steps))

if __name__ == "__main__":
    ATOMS = pair(ProfiledCalculator(Spring(), summary=False))
    for _ in range(25):
        step(ATOMS)
    context = multiprocessing.get_context("{method}")
{body}
    print(json.dumps([sorted(set(pids)), recording(ATOMS.calc).run._recorder.run_id]))
    for _ in range(25):
        step(ATOMS)
"""

JOBS = "[(ATOMS, 10)] * 6"
BODIES = {
    "a pool that is closed": f"""
    pool = context.Pool(2)
    pids = [pid for pid, _ in pool.map(work, {JOBS})]
    pool.close()
    pool.join()
""",
    "a pool that is terminated": f"""
    with context.Pool(2) as pool:
        pids = [pid for pid, _ in pool.map(work, {JOBS}, 1)]
    pool.join()
""",
    "an executor": f"""
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        pids = [pid for pid, _ in pool.map(work, {JOBS})]
""",
    "a process": """
    process = context.Process(target=work, args=((ATOMS, 60),))
    process.start()
    process.join()
    assert process.exitcode == 0
    pids = [process.pid]
""",
}


def _assert_whole(records: Records, calls: int) -> None:
    assert [row["index"] for row in records.calls] == list(range(calls))
    assert records.counters["calls"] == calls
    assert records.counters["lost_rows"] == records.counters["faults"] == 0
    assert all("parent" not in row for row in records.calls)


def _check_pool(text: str, *, terminated: bool = False) -> None:
    child = run_script(text)
    assert child.returncode == 0, child.stderr
    assert child.stderr == ""
    pids, run_id = json.loads(child.stdout)
    parent = read_records()
    assert parent.all[0]["run_id"] == run_id
    assert parent.end["reason"] == "exit"
    _assert_whole(parent, 50)
    names = {f"run.pid{pid}.jsonl" for pid in pids}
    assert {path.name for path in Path().glob("*.jsonl")} == {"run.jsonl", *names}
    total = 0
    for name in names:
        worker = read_cut(name) if terminated else read_records(name)
        assert worker.all[0]["parent_run_id"] == run_id
        assert worker.all[0]["run_id"] != run_id
        assert len(worker.of("lane")) == 1
        assert worker.calls  # a run's first row is written before its call returns
        indices = [row["index"] for row in worker.calls]
        assert indices == list(range(len(indices)))
        if not terminated:
            assert worker.end["reason"] == "exit"
            _assert_whole(worker, len(worker.calls))
        total += len(worker.calls)
    # Workers are terminated as soon as they have answered, and one may have answered all: the rows that its
    # journal's thread had not written by then are lost.
    assert (len(names) <= total <= 60) if terminated else total == 60


@pytest.mark.parametrize(
    ("body", "method"),
    [
        ("a pool that is closed", "fork"),
        ("an executor", "spawn"),
        *(
            pytest.param(body, method, marks=pytest.mark.slow)
            for body, method in (
                ("a pool that is terminated", "fork"),
                ("an executor", "fork"),
                ("a process", "fork"),
                ("a pool that is terminated", "spawn"),
                ("a pool that is closed", "forkserver"),
                ("a process", "forkserver"),
            )
        ),
    ],
)
def test_workers_with_a_pickled_calculator_write_journals_of_their_own(body: str, method: str) -> None:
    _check_pool(POOL.format(method=method, body=BODIES[body]), terminated="terminated" in body)


def test_workers_with_an_inherited_calculator_write_journals_of_their_own() -> None:
    body = """
    pool = context.Pool(2)
    pids = [pid for pid, _ in pool.map(inherited, [10] * 6, 1)]
    pool.close()
    pool.join()
"""
    _check_pool(POOL.format(method="fork", body=body))


def test_a_worker_that_never_calculates_leaves_nothing() -> None:
    child = run_script("""
from stage import *
import multiprocessing

atoms = pair(ProfiledCalculator(Spring(), summary=False))
step(atoms)
with multiprocessing.get_context("fork").Pool(2) as pool:
    pool.map(len, [[1]] * 8)
step(atoms)
""")
    assert (child.returncode, child.stderr) == (0, "")
    assert [path.name for path in Path().glob("*.jsonl")] == ["run.jsonl"]
    _assert_whole(read_records(), 2)


@pytest.mark.slow
def test_a_storm_of_forks_while_the_journal_is_busy_harms_no_one() -> None:
    child = run_script(
        """
from stage import *

atoms = pair(ProfiledCalculator(Spring(), summary=False))
step(atoms)
recorder = recording(atoms.calc).run._recorder
stop = threading.Event()

def calculate():
    mine = pair(ProfiledCalculator(Spring()))
    while not stop.is_set():
        step(mine)

def drain():
    while not stop.is_set():
        recorder.flush()
        time.sleep(0.0005)

threads = [threading.Thread(target=work) for work in (calculate, drain)]
for thread in threads:
    thread.start()
for number in range(50):
    pid = os.fork()
    if pid == 0:
        if number % 5 == 0:
            for _ in range(3):
                step(atoms)
            sys.exit(0)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    step(atoms)
stop.set()
for thread in threads:
    thread.join()
time.sleep(0.2)
step(atoms)
alive = [t for t in threading.enumerate() if t.name == "instrumented-calc journal"]
assert len(alive) == 1, alive
""",
        options=("-W", "ignore::DeprecationWarning"),  # of the threads that the script has itself
    )
    assert child.returncode == 0, child.stderr
    assert child.stderr == ""
    parent = read_records()
    indices = sorted(row["index"] for row in parent.calls)
    assert indices == list(range(len(indices)))
    assert parent.counters["calls"] == len(indices) > 50
    workers = list(Path().glob("run.pid*.jsonl"))
    assert len(workers) == 10
    for path in workers:
        assert read_records(path).end["reason"] == "exit"
        _assert_whole(read_records(path), 3)


def test_a_fork_inside_of_a_call_belongs_to_the_parent() -> None:
    child = run_script("""
from stage import *

class Forking(Spring):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.pid = os.fork() if fork else None

fork = True
atoms = pair(ProfiledCalculator(Forking(), summary=False))
step(atoms)
if atoms.calc.pid == 0:
    fork = False
    for _ in range(4):
        step(atoms)
    sys.exit(0)
assert os.waitpid(atoms.calc.pid, 0)[1] == 0
fork = False
step(atoms)
""")
    assert (child.returncode, child.stderr) == (0, "")
    _assert_whole(read_records(), 2)
    (worker,) = Path().glob("run.pid*.jsonl")
    _assert_whole(read_records(worker), 4)


def test_a_calculation_inside_a_fork_of_a_call_has_no_parent_from_before() -> None:
    child = run_script("""
from stage import *

inner = pair(ProfiledCalculator(Spring(), summary=False))

class Forking(Spring):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        pid = os.fork()
        if pid == 0:
            step(inner)
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0

step(pair(ProfiledCalculator(Forking())))
""")
    assert (child.returncode, child.stderr) == (0, "")
    _assert_whole(read_records(), 1)
    (worker,) = Path().glob("run.pid*.jsonl")
    records = read_records(worker)
    assert [row.get("parent") for row in records.calls[:1]] == [None]
    assert records.end["reason"] == "exit"


def test_sigterm_reaches_a_child_that_is_not_set_up_yet() -> None:
    child = run_script("""
from stage import *

atoms = pair(ProfiledCalculator(Spring(), summary=False))
step(atoms)
for _ in range(100):
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(1)
    os.kill(pid, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -15
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
""")
    assert (child.returncode, child.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_pools_that_are_terminated_hang_nowhere(method: str) -> None:
    child = run_script(f"""
from stage import *
import multiprocessing

def work(atoms):
    return step(atoms)

if __name__ == "__main__":
    atoms = pair(ProfiledCalculator(Spring(), summary=False))
    step(atoms)
    for _ in range({20 if method == "fork" else 5}):
        with multiprocessing.get_context("{method}").Pool(2) as pool:
            pool.map(work, [atoms] * 4, 1)
        pool.join()
""")
    assert (child.returncode, child.stderr) == (0, "")


def test_forking_warns_of_no_thread_of_ours() -> None:
    child = run_script(
        """
from stage import *

atoms = pair(ProfiledCalculator(Spring(), summary=False))
for _ in range(20):
    step(atoms)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
""",
        # NumPy 2.5 deprecates a feature that ASE 3.29 uses
        options=("-W", "error", "-W", "ignore:Setting the shape on a NumPy array:DeprecationWarning"),
    )
    assert (child.returncode, child.stderr) == (0, "")


@pytest.mark.parametrize(
    "names",
    [
        {"OMPI_COMM_WORLD_RANK": "3"},
        pytest.param({"PMIX_RANK": "3"}, marks=pytest.mark.slow),
        pytest.param({"PMI_RANK": "3"}, marks=pytest.mark.slow),
    ],
    ids=["Open MPI", "PMIx", "MPICH"],
)
def test_an_mpi_rank_has_a_journal_of_its_own_and_prints_nothing(names: dict[str, str]) -> None:
    child = run_script("from stage import *\nstep(pair(ProfiledCalculator(Spring())))", env=names)
    assert (child.returncode, child.stderr) == (0, "")
    assert [path.name for path in Path().glob("*.jsonl")] == ["run.rank3.jsonl"]
    assert read_records("run.rank3.jsonl").all[0]["rank"] == 3


def test_rank_0_keeps_the_name_and_prints_the_summary() -> None:
    child = run_script(
        "from stage import *\nstep(pair(ProfiledCalculator(Spring())))",
        env={"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "4"},
    )
    assert child.returncode == 0
    assert "instrumented-calc report" in child.stderr
    assert read_records().all[0]["rank"] == 0


def test_processes_that_start_at_one_time_have_different_journals() -> None:
    child = run_script("""
from stage import *

pids = []
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        atoms = pair(ProfiledCalculator(Spring(), summary=False))
        for _ in range(10):
            step(atoms)
        sys.exit(0)
    pids.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 5
""")
    assert (child.returncode, child.stderr) == (0, "")
    names = {"run.jsonl", *(f"run-{number}.jsonl" for number in range(2, 6))}
    assert {path.name for path in Path().glob("*.jsonl")} == names
    assert len({read_records(name).all[0]["pid"] for name in names}) == 5
    for name in names:
        _assert_whole(read_records(name), 10)
