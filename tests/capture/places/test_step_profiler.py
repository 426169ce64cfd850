"""The profiler of one step: exact counts, and nothing that the program can notice."""

from __future__ import annotations

import cProfile
import gc
import pstats
import signal
import sys
import threading
import time

import numpy as np
import pytest

from instrumented_calc.capture.places.step_profiler import (
    IS_HARMLESS,
    LONG,
    StepProfiler,
    is_taken,
    measured_cost,
)
from instrumented_calc.journal.vocabulary import CALCULATOR, OUTSIDE

needs_312 = pytest.mark.skipif(not IS_HARMLESS, reason="before, every profiler makes ndarray.resize fail")
pytestmark = [needs_312, pytest.mark.skipif(is_taken(), reason="a tracer or profiler runs these tests")]


def leaf():
    return 1


def twice():
    return leaf() + leaf()


def recursive(depth):
    return recursive(depth - 1) if depth else 0


def numbers(most):
    yield from range(most)


def failing():
    raise KeyError


def caught():
    for _ in range(3):
        try:
            failing()
        except KeyError:  # noqa: PERF203 - what is tested
            leaf()


def profiled(between, inside=leaf):
    """Return the sums of a step that runs one function between calls, and one in the calculator."""
    profiler = StepProfiler(LONG, 0)
    profiler.start()
    between()
    profiler.enter_call()
    inside()
    return profiler.stop()


def calls(functions):
    """Return the calls of the functions of this file, and of C functions, by name."""
    here = {}
    for key, number, _ in functions:
        if isinstance(key, tuple):
            here[".".join(key)] = number
        elif key is not None and key.co_filename == __file__ and number:
            here[key.co_name] = number
    return here


def test_calls_are_counted_exactly_and_apart_for_the_calculator():
    sums = profiled(twice, inside=lambda: [twice(), leaf()])
    assert calls(sums.parts[OUTSIDE])["leaf"] == 2
    assert calls(sums.parts[OUTSIDE])["twice"] == 1
    assert calls(sums.parts[CALCULATOR]) | {"<lambda>": 1, "leaf": 3, "twice": 1} == calls(
        sums.parts[CALCULATOR]
    )


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: recursive(5), {"recursive": 6}),
        (lambda: list(numbers(3)), {"numbers": 4}),  # each time it continues
        (caught, {"failing": 3, "leaf": 3, "caught": 1}),
        (lambda: [len("a"), len("b"), [].append(1)], {"builtins.len": 2, "builtins.list.append": 1}),
        (lambda: np.zeros(3).sum(), {"numpy.zeros": 1, "numpy.ndarray.sum": 1}),
    ],
)
def test_recursion_generators_exceptions_and_c_functions(function, expected):
    found = calls(profiled(function).parts[OUTSIDE])
    assert found | expected == found


def test_times_are_exclusive_and_add_up_to_the_step():
    def busy():
        return sum(range(100_000))

    sums = profiled(twice, inside=busy)
    inside = {getattr(key, "co_name", key): ns for key, _, ns in sums.parts[CALCULATOR]}
    assert inside["builtins", "sum"] > inside["busy"]
    assert sum(inside.values()) + sum(ns for *_, ns in sums.parts[OUTSIDE]) + sums.profiler_ns == sums.wall_ns


def test_a_function_that_runs_already_has_its_time_but_no_call():
    def outer():
        profiler = StepProfiler(LONG, 0)
        profiler.start()
        sum(range(1000))
        leaf()
        return profiler.stop()

    (found,) = (each for each in outer().parts[OUTSIDE] if getattr(each.key, "co_name", "") == "outer")
    assert found.calls == 0
    assert found.ns > 0


def test_numpy_resizes_in_place_as_without_it():
    array = np.zeros(4)
    assert profiled(lambda: array.resize(8)) is not None
    assert array.shape == (8,)


def test_it_keeps_no_object_of_the_program():
    array = np.zeros(4)
    before = sys.getrefcount(array)
    seen = []
    sums = profiled(lambda: [array.sum(), seen.append(sys.getrefcount(array))])
    assert sums is not None
    assert seen == [before]
    assert sys.getrefcount(array) == before


def test_other_threads_are_not_profiled():
    def elsewhere():
        worker = threading.Thread(target=twice)
        worker.start()
        worker.join()

    found = calls(profiled(elsewhere).parts[OUTSIDE])
    assert "twice" not in found
    assert found["elsewhere"] == 1


# -- the program's own profilers ----------------------------------------------------------------------------


def test_the_programs_own_cprofile_starts_and_counts_as_without_it():
    own = cProfile.Profile()

    def with_own():
        own.enable()
        twice()
        own.disable()

    sums = profiled(with_own)
    stats = pstats.Stats(own).stats
    assert {key[2]: value[1] for key, value in stats.items() if key[0] == __file__} == {"twice": 1, "leaf": 2}
    assert sums is not None  # neither sees the other
    assert sys.getprofile() is None


def test_the_programs_own_profile_function_replaces_it_and_stays():
    events = []

    def own(_frame, event, _arg):
        events.append(event)

    assert profiled(lambda: sys.setprofile(own)) is None
    assert sys.getprofile() is own
    sys.setprofile(None)
    assert events


def test_a_program_that_ends_profiling_ends_it():
    assert profiled(lambda: sys.setprofile(None)) is None
    assert sys.getprofile() is None


def test_if_it_is_put_back_after_its_end_it_removes_itself():
    profiler = StepProfiler(LONG, 0)
    profiler.start()
    saved = sys.getprofile()
    profiler.stop()
    sys.setprofile(saved)
    leaf()
    assert sys.getprofile() is None


def test_it_does_not_run_beside_another_profiler_tracer_or_monitoring_tool():
    assert not is_taken()
    sys.setprofile(lambda *_: None)
    assert is_taken()
    sys.setprofile(None)
    sys.settrace(lambda *_: None)
    assert is_taken()
    sys.settrace(None)
    sys.monitoring.use_tool_id(sys.monitoring.PROFILER_ID, "a profiler")
    assert is_taken()
    sys.monitoring.free_tool_id(sys.monitoring.PROFILER_ID)
    assert not is_taken()


# -- its end ------------------------------------------------------------------------------------------------


def test_it_gives_up_after_as_many_events_as_allowed():
    profiler = StepProfiler(20, 0)
    profiler.start()
    seen = []
    for _ in range(20):
        leaf()
        seen.append(sys.getprofile() is not None)
    assert seen[0]
    assert not seen[-1]
    assert profiler.stop() is None


def test_another_thread_can_end_it():
    profiler = StepProfiler(LONG, 0)
    profiler.start()
    profiler.expired = True
    leaf()
    assert sys.getprofile() is None
    assert profiler.stop() is None


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers")
def test_a_signal_handlers_exception_passes_wherever_it_strikes():
    class TimeUp(Exception):  # noqa: N818 - a time limit
        pass

    def handler(*_):
        raise TimeUp

    def work(until, limit):
        signal.setitimer(signal.ITIMER_REAL, limit)
        while time.monotonic() < until:
            leaf()

    before = signal.signal(signal.SIGALRM, handler)
    gc.disable()  # Python drops what is raised while a callback of the collector runs
    try:
        for number in range(50):
            profiler = StepProfiler(LONG, 0)
            profiler.start()
            until = time.monotonic() + 20
            with pytest.raises(TimeUp):
                work(until, 0.0005 + number * 1e-6)
            profiler.stop()
            assert sys.getprofile() is None
    finally:
        gc.enable()
        signal.signal(signal.SIGALRM, before)


def test_its_cost_is_measured():
    cost = None
    while cost is None:  # the machine is busy
        cost = measured_cost()
    assert 0 < cost.shown_ns < cost.total_ns
    assert sys.getprofile() is None
