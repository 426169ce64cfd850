"""The profiler of one step: exact counts, and nothing that the program can notice."""

from __future__ import annotations

import cProfile
import ctypes
import gc
import pstats
import signal
import sys
import threading
import time
import weakref

import numpy as np
import pytest

from instrumented_calc.capture.places.step_profiler import (
    IS_HARMLESS,
    LONG,
    StepProfiler,
    is_taken,
    measured_cost,
)
from instrumented_calc.journal.vocabulary import (
    CALCULATOR,
    INTERRUPTED,
    OUTSIDE,
    PROFILER_ACTIVE,
    STEP_TOO_LONG,
)

PATIENCE_S = 60
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
    times = sum(each.ns for functions in sums.parts.values() for each in functions)
    assert times + sums.profiler_ns == sums.wall_ns


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


def test_it_runs_no_code_of_types_and_functions():
    class Meta(type):
        def __hash__(cls):
            raise AssertionError

        __eq__ = None

    class Strange(list, metaclass=Meta):
        __module__ = 7

        def __getattribute__(self, name):
            raise AssertionError

    strange = Strange()
    append = list.append
    sums = profiled(lambda: append(strange, 1))
    assert calls(sums.parts[OUTSIDE])[".Strange.append"] == 1


def test_what_the_recorders_own_code_calls_is_the_recorders():
    found = calls(profiled(twice).parts[CALCULATOR])
    assert not {"sys.getprofile", "sys.setprofile"} & found.keys()


def test_nothing_is_left_for_the_garbage_collector():
    profiler = StepProfiler(LONG, 0)
    profiler.start()
    twice()
    profiler.enter_call()
    watch = weakref.ref(sys.getprofile())
    assert profiler.stop() is not None
    assert watch() is None


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


def test_a_profile_function_of_the_programs_own_in_between_leaves_no_result():
    """What was called meanwhile is not counted."""
    profiler = StepProfiler(LONG, 0)
    profiler.start()
    saved = sys.getprofile()
    sys.setprofile(lambda *_: None)
    leaf()
    sys.setprofile(saved)
    assert (profiler.stop(), profiler.reason) == (None, PROFILER_ACTIVE)
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
    assert (profiler.stop(), profiler.reason) == (None, STEP_TOO_LONG)


def test_another_thread_can_end_it():
    profiler = StepProfiler(LONG, 0)
    profiler.start()
    profiler.expired = True
    leaf()
    assert sys.getprofile() is None
    assert profiler.stop() is None


def test_an_interrupted_start_of_a_call_gives_no_result():
    """An exception may strike when the part inside the calculator has begun, but nobody knows of it yet."""
    profiler = StepProfiler(LONG, 0)
    profiler.start()
    profiler.enter_call()
    leaf()
    profiler.enter_call()
    assert sys.getprofile() is None
    assert (profiler.stop(), profiler.reason) == (None, INTERRUPTED)


# -- exceptions from outside --------------------------------------------------------------------------------


class TimeUp(Exception):  # noqa: N818 - a time limit
    pass


def busy(first):
    """Do something, then call functions, and let the interpreter look for signals.

    A signal may be delivered to a thread that just starts, such as pytest's own, which watches for hangs.
    Then the main thread learns of it only when it next takes the interpreter's lock.
    """
    first()
    late = time.monotonic() + PATIENCE_S
    while time.monotonic() < late:
        for _ in range(1_000):
            leaf()
        time.sleep(0)


@pytest.fixture
def no_collections():
    """Run no collection: Python drops what is raised while a callback of the collector runs."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collections")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers")
@pytest.mark.parametrize("error", [TimeUp, KeyboardInterrupt, TimeoutError, KeyError, RecursionError])
def test_a_signal_handlers_exception_arrives_once_wherever_it_strikes(error):
    def handler(_, frame):
        struck.append(frame.f_code.co_name)
        raise error

    struck = []
    before = signal.signal(signal.SIGALRM, handler)
    try:
        for number in range(40):
            profiler = StepProfiler(LONG, 0)
            profiler.start()
            with pytest.raises(error):
                busy(lambda: signal.setitimer(signal.ITIMER_REAL, 0.0005 + number * 1e-6))  # noqa: B023 - at once
            assert len(struck) == number + 1
            if struck[-1] == "watch":
                assert sys.getprofile() is None
            sums = profiler.stop()
            assert sys.getprofile() is None
            assert (sums is None) == (profiler.reason == INTERRUPTED)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert "watch" in struck  # the profiler takes most of the time here


@pytest.mark.usefixtures("no_collections")
@pytest.mark.parametrize("error", [TimeUp, TimeoutError, SystemExit])
def test_an_exception_set_by_another_thread_arrives_once(error):
    main, go = threading.get_ident(), threading.Semaphore(0)
    rounds = 20

    def strike():
        for number in range(rounds):
            go.acquire()
            time.sleep(0.001 + number * 1e-6)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(main), ctypes.py_object(error))

    worker = threading.Thread(target=strike)
    worker.start()
    for _ in range(rounds):
        profiler = StepProfiler(LONG, 0)
        profiler.start()
        with pytest.raises(error):
            busy(go.release)
        profiler.stop()
        assert sys.getprofile() is None
    worker.join()


def test_a_program_at_its_recursion_limit_sees_only_its_own_exception():
    """Our function needs a level, too: a program that comes as near to its limit fails a level earlier."""

    def deeper(depth):
        return deeper(depth + 1) if depth < most else leaf()

    outer = StepProfiler(LONG, 0)
    most = sys.getrecursionlimit()
    outer.start()
    with pytest.raises(RecursionError):
        deeper(0)
    sums = outer.stop()
    assert sys.getprofile() is None
    assert (sums is None) == (outer.reason != "")


# -- what it costs ------------------------------------------------------------------------------------------


def test_its_cost_is_measured():
    cost = None
    while cost is None:  # the machine is busy
        cost = measured_cost()
    assert 0 < cost.shown_ns < cost.total_ns
    assert sys.getprofile() is None
