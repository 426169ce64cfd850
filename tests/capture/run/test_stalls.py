"""A call that does not return is noticed by the journal thread."""

from __future__ import annotations

import threading

import pytest
from tests.capture.zoo import copper

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.run.stalls import SHORTEST_STALL_NS, Watchdog


class Waiting:
    """A calculator that waits to be let go."""

    def __init__(self):
        self.results = {}
        self.entered, self.let_go = threading.Event(), threading.Event()

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        self.entered.set()
        self.let_go.wait(30)


@pytest.fixture
def stalled():
    """A run whose only call is open in another thread."""
    inner = Waiting()
    calc = ProfiledCalculator(inner, journal="s.jsonl", summary=False)
    thread = threading.Thread(target=calc.calculate, args=(copper(), ["energy"], []))
    thread.start()
    inner.entered.wait(30)
    yield recording(calc).run._recorder.maker
    inner.let_go.set()
    thread.join()
    recording(calc).close()


def test_a_call_that_is_open_for_a_minute_is_reported_once_with_its_stack(stalled):
    watchdog, now = Watchdog(), stalled.clock()
    assert watchdog.look(stalled, now) is None
    stall = watchdog.look(stalled, now + SHORTEST_STALL_NS)
    assert stall.index == 0
    assert stall.open_ns >= SHORTEST_STALL_NS - 10**9
    assert stall.median_ns is None
    assert any("let_go.wait(30)" in line for line in stall.stack)
    assert watchdog.look(stalled, now + 2 * SHORTEST_STALL_NS) is None


def test_calls_that_usually_take_long_have_twenty_times_as_long(stalled):
    watchdog, now = Watchdog(), stalled.clock()
    watchdog.saw([10 * 10**9] * 5)
    assert watchdog.look(stalled, now + 150 * 10**9) is None
    assert watchdog.look(stalled, now + 201 * 10**9).median_ns == 10**10


def test_calls_of_other_runs_are_theirs(stalled):
    assert Watchdog().look(object(), stalled.clock() + 10 * SHORTEST_STALL_NS) is None
