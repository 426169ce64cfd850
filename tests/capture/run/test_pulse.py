"""The end of a run waits a limited time for the journal's thread, and knows why it waited in vain."""

from __future__ import annotations

import sys
import threading

import pytest
from tests.gate import Gate
from tests.lifecycle.children import run_script
from tests.support import read_records

from instrumented_calc.capture.run.pulse import Pulse


class Stage:
    """A pulse whose first beat lasts until it is released."""

    def __init__(self, *, busy: bool) -> None:
        self.begun, self.released, self.busy = threading.Event(), Gate(), busy
        self.pulse = Pulse(self.beat)
        self.finishers: list[int] = []
        assert self.pulse.start()
        self.thread = self.pulse._thread
        assert self.begun.wait(60)

    def beat(self) -> None:
        self.begun.set()
        if not self.busy:
            self.released.wait()
        while not self.released.is_set():
            sum(range(1000))

    def last(self) -> None:
        self.finishers.append(threading.get_ident())

    def end(self) -> None:
        self.released.set()
        self.thread.join(60)


@pytest.mark.parametrize("promptly", [False, True])
def test_a_prompt_thread_gets_the_interpreters_lock_at_once_when_it_is_due(promptly: bool) -> None:
    usual, during_work, seen = sys.getswitchinterval(), set(), set()
    enough = threading.Event()

    def beat() -> None:
        during_work.add(sys.getswitchinterval())
        if len(beats) == 5:
            enough.set()
        beats.append(1)

    beats: list[int] = []
    pulse = Pulse(beat, promptly=promptly)
    assert pulse.start()
    while not enough.is_set():  # another thread computes in Python, without releasing the lock
        seen.add(sys.getswitchinterval())
    assert pulse.finish(lambda: None, 60, may_take_over=lambda: True)
    assert during_work == {usual}
    assert (min(seen) < usual) == promptly
    assert sys.getswitchinterval() == usual


def test_a_thread_that_is_only_slow_is_not_waited_for_and_its_last_task_is_done_once() -> None:
    stage = Stage(busy=True)
    assert stage.pulse.finish(stage.last, 0.4, may_take_over=lambda: True)
    stage.end()
    assert stage.finishers == [threading.get_ident()]


def test_a_thread_that_is_slow_while_the_caller_may_not_write_does_it_later() -> None:
    stage = Stage(busy=True)
    assert not stage.pulse.finish(stage.last, 0.4, may_take_over=lambda: False)
    assert not stage.pulse.is_blocked
    stage.end()
    assert stage.finishers == [stage.thread.ident]


def test_a_thread_that_is_blocked_in_a_system_call_is_known_to_be() -> None:
    stage = Stage(busy=False)
    assert not stage.pulse.finish(stage.last, 0.4, may_take_over=lambda: True)
    assert stage.pulse.is_blocked
    stage.end()
    assert stage.finishers == [stage.thread.ident]


@pytest.mark.parametrize("network", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_busy_machine_is_not_called_a_file_system_that_does_not_respond(network: bool) -> None:
    child = run_script(f"""
from stage import *
from instrumented_calc.capture.run import housekeeping
from instrumented_calc.journal import writer

writer.on_network_file_system = lambda _: {network}
begun, over = threading.Event(), threading.Event()

def busy(rounds, now):
    begun.set()
    while not over.is_set():
        sum(range(1000))

atoms = pair(ProfiledCalculator(Spring(), summary=False))
step(atoms)
housekeeping.Rounds.go = busy
begun.wait()
step(atoms)
recording(atoms.calc).run._recorder.end("closed", patience_s=0.5)
over.set()
""")
    assert child.returncode == 0, child.stderr
    assert "does not respond" not in child.stderr
    if network:
        assert "this machine is too busy; the end of the journal may be missing" in child.stderr
    else:
        assert child.stderr == ""
        records = read_records()
        assert [record["event"] for record in records.all].count("run_end") == 1
        assert records.counters["lost_rows"] == 0
        assert len(records.calls) == 2
