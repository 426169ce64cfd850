"""Which calls are open can be read from any thread, and nothing of a thread outlives it."""

from __future__ import annotations

import gc
import os
import threading

from tests.capture import zoo
from tests.capture.zoo import copper

from instrumented_calc import ProfiledCalculator, recording, span
from instrumented_calc.capture import open_calls as open_calls_module
from instrumented_calc.capture.open_calls import active, open_calls


class Waiting(zoo.Spring):
    """Calculates until it is released."""

    def __init__(self):
        super().__init__()
        self.reached, self.release = threading.Event(), threading.Event()

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        with span("waiting"):
            self.reached.set()
            assert self.release.wait(60)
        super().calculate(atoms, properties, system_changes)


def calls_of(face):
    """Return the open calls of one wrapped calculator's run, with their threads."""
    maker = recording(face).run._recorder.maker
    return [(thread, entry) for thread, calls in open_calls() for entry in calls if entry.maker is maker]


def test_another_thread_sees_the_open_call_and_its_start():
    calc = Waiting()
    face = ProfiledCalculator(calc)
    before = threading.Thread(target=lambda: face.calculate(copper(), ["energy"], ["positions"]))
    before.start()
    assert calc.reached.wait(60)
    ((thread, entry),) = calls_of(face)
    maker = recording(face).run._recorder.maker
    assert thread == before.ident
    assert entry.index == 0
    assert 0 < entry.start <= maker.clock()
    calc.release.set()
    before.join()
    assert calls_of(face) == []


def test_nested_calls_are_listed_outermost_first():
    seen = []

    class Outer(zoo.Spring):
        def calculate(self, atoms=None, properties=("energy",), system_changes=()):
            if not seen:
                seen.append(None)
                self.get_property("energy", atoms)
            seen.append([entry.index for _, entry in calls_of(face)])
            super().calculate(atoms, properties, system_changes)

    face = ProfiledCalculator(Outer())
    face.get_potential_energy(copper())
    assert [indices for indices in seen if indices] == [[0, 1], [0]]


def test_a_thread_that_ended_leaves_no_stack_behind():
    gc.collect()
    before = len(open_calls_module._stacks)
    face = ProfiledCalculator(zoo.Spring())
    threads = [
        threading.Thread(target=lambda: face.calculate(copper(), ["energy"], ["positions"]))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    del threads, thread
    gc.collect()
    assert len(open_calls_module._stacks) <= before + 1  # this thread's own may be new


def test_a_forked_child_starts_with_no_open_call():
    calc = Waiting()
    face = ProfiledCalculator(calc)
    other = threading.Thread(target=lambda: face.calculate(copper(), ["energy"], ["positions"]))
    other.start()
    assert calc.reached.wait(60)
    child = os.fork()
    if child == 0:
        os._exit(len(open_calls()))
    _, status = os.waitpid(child, 0)
    calc.release.set()
    other.join()
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_collection_may_start_while_a_thread_gets_its_stack():
    stacks, thresholds = [], gc.get_threshold()

    def listen(when, _):
        stacks.append(active.stack)

    def work(allocations):
        held = [[] for _ in range(200)]  # lists in reserve would be reused without a collection
        gc.set_threshold(gc.get_count()[0] + allocations)
        mine = active.stack
        gc.set_threshold(10**6)
        stacks.append(mine)
        assert len(held) == 200

    gc.callbacks.append(listen)
    try:
        for allocations in range(12):  # one of them is the stack
            gc.set_threshold(10**6)
            thread = threading.Thread(target=work, args=(allocations,))
            thread.start()
            thread.join()
    finally:
        gc.callbacks.remove(listen)
        gc.set_threshold(*thresholds)
    assert len(stacks) > 12
    assert all(len(stack) == 0 for stack in stacks)
    assert isinstance(stacks[-1], list)
