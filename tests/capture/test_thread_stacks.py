"""Reading all threads' stacks neither deadlocks the process nor changes the collector's state."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading

import pytest

from instrumented_calc.capture import thread_stacks
from instrumented_calc.capture.thread_stacks import all_stacks

POOL = """
import gc
import sys
from concurrent.futures import ThreadPoolExecutor

import ase.optimize  # where it is loaded, the main thread may run an optimizer
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from instrumented_calc import ProfiledCalculator


class Constant(Calculator):
    implemented_properties = ["energy"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        self.results = {"energy": 1.0}


def task(number):
    atoms = Atoms("H")
    atoms.calc = ProfiledCalculator(Constant())
    return atoms.get_potential_energy()


gc.set_threshold(5)
sys.setswitchinterval(1e-5)
with ThreadPoolExecutor(8) as pool:
    assert sum(pool.map(task, range(int(sys.argv[1])))) == int(sys.argv[1])
"""


@pytest.fixture
def collector():
    """Restore the collector after the test."""
    enabled, thresholds = gc.isenabled(), gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    (gc.enable if enabled else gc.disable)()


@pytest.mark.parametrize("tasks", [200, pytest.param(800, marks=pytest.mark.slow)])
def test_a_pool_of_threads_with_a_busy_collector_ends(tasks, tmp_path):
    command = [sys.executable, "-c", POOL, str(tasks)]
    subprocess.run(command, cwd=tmp_path, timeout=60, check=True, capture_output=True)


@pytest.fixture
def waiting():
    """Another thread that waits."""
    entered, leave = threading.Event(), threading.Event()

    def wait():
        entered.set()
        leave.wait(60)

    thread = threading.Thread(target=wait)
    thread.start()
    assert entered.wait(60)
    yield thread
    leave.set()
    thread.join()


def test_every_other_thread_is_there_and_the_collector_stays_on(collector, waiting):
    gc.enable()
    found = all_stacks()
    assert set(found) >= {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
    names = []
    frame = found[waiting.ident]
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    assert "wait" in names
    assert gc.isenabled()


def test_nothing_keeps_the_stacks_alive_without_the_collector(collector, waiting):
    gc.disable()
    before = sys.getrefcount(sys._current_frames()[waiting.ident])
    for _ in range(5):
        all_stacks()
    after = sys.getrefcount(sys._current_frames()[waiting.ident])  # not in `assert`, which keeps values
    assert after == before


def test_a_collector_that_the_user_disabled_stays_disabled(collector, waiting):
    gc.disable()
    assert waiting.ident in all_stacks()
    assert not gc.isenabled()


def test_no_collection_starts_while_the_stacks_are_read(collector, monkeypatch):
    collections = []

    def read():
        before = len(collections)
        junk = [[] for _ in range(1000)]
        return {len(junk): len(collections) - before}

    def listen(when, _):
        collections.append(when)

    monkeypatch.setattr(thread_stacks.sys, "_current_frames", read)
    gc.enable()
    gc.set_threshold(5)
    gc.callbacks.append(listen)
    try:
        during = all_stacks()
    finally:
        gc.callbacks.remove(listen)
    assert during == {1000: 0}
    assert collections != []
    assert gc.isenabled()


def test_the_collector_is_on_again_when_memory_runs_out(collector, monkeypatch):
    def read():
        raise MemoryError

    monkeypatch.setattr(thread_stacks.sys, "_current_frames", read)
    gc.enable()
    with pytest.raises(MemoryError):
        all_stacks()
    assert gc.isenabled()


def test_threads_that_read_concurrently_leave_the_collector_on(collector):
    gc.enable()
    before, states = sys.getswitchinterval(), []
    sys.setswitchinterval(1e-5)

    def read_often():
        for _ in range(300):
            all_stacks()
            states.append(gc.isenabled())

    threads = [threading.Thread(target=read_often) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert states == [True] * 1200
