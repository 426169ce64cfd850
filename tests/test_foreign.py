"""Foreign exceptions are recognised by their traceback, whichever way they came in."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
from functools import cache, partial

import numpy as np
import pytest

from instrumented_calc.foreign import is_foreign, own_faults_dropped


class TimeLimitError(Exception):
    """Raised by a user's time limit."""


class Odd:
    """An object of the user's that fails when it is asked for its length."""

    def __len__(self):
        raise TimeLimitError


def ours(source):
    """Return a function `run(given)` that appears to be in the package."""
    namespace = {"__name__": "instrumented_calc.capture.example", "np": np}
    exec(compile(source, "example.py", "exec"), namespace)  # noqa: S102 - our own text
    return namespace["run"]


raising = ours("def run(given):\n    given()\n")
measuring = ours("def run(given):\n    len(given)\n")
sorting = ours("def run(given):\n    np.broadcast_to(np.zeros(3), 7)\n")


def judged(function, *args):
    """Return the exception that a function raises, and whether it is foreign."""
    try:
        function(*args)
    except BaseException as error:  # noqa: BLE001 - all kinds are judged
        return type(error), is_foreign(error)
    pytest.fail("nothing was raised")


def fail(*_):
    raise TimeLimitError


class Handler:
    """A callable object."""

    def __call__(self, number, frame):
        raise TimeLimitError

    def method(self, number, frame):
        raise TimeoutError


def uninstalling(number, _):
    signal.signal(number, signal.SIG_IGN)
    raise TimeoutError


def with_arguments(*arguments):
    raise TimeoutError


def deep(number, frame):
    fail()


def forgetful(number, frame):
    del number, frame
    raise TimeoutError


def oneshot(number, frame):
    signal.signal(number, signal.SIG_DFL)
    frame = number = None  # noqa: F841 - it keeps nothing that shows what it was given
    fail()


HANDLERS = [
    oneshot,
    Handler(),
    Handler().method,
    partial(fail, 1),
    uninstalling,
    with_arguments,
    deep,
    forgetful,
    lambda *_: fail(),
]


@pytest.fixture
def alarm():
    """Give the alarm's handler back."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda each: getattr(each, "__name__", type(each).__name__))
def test_exceptions_of_signal_handlers_are_foreign(handler, alarm):
    signal.signal(signal.SIGALRM, handler)
    kind, foreign = judged(raising, partial(signal.raise_signal, signal.SIGALRM))
    assert kind in (TimeLimitError, TimeoutError)
    assert foreign


def test_no_code_of_the_user_runs_while_handlers_are_looked_at(alarm):
    class Handler:
        ran = False

        @property
        def __dict__(self):
            type(self).ran = True
            return {}

        def __call__(self, *_):
            raise TimeLimitError

    signal.signal(signal.SIGALRM, Handler())
    assert judged(raising, partial(signal.raise_signal, signal.SIGALRM)) == (TimeLimitError, True)
    assert not Handler.ran


def test_a_handler_that_strikes_below_a_library_is_foreign(alarm):
    signal.signal(signal.SIGALRM, deep)
    below = ours("import statistics\ndef run(given):\n    statistics.mean(map(lambda n: given(14), [1]))\n")
    assert judged(below, signal.raise_signal) == (TimeLimitError, True)


def test_exceptions_of_trace_functions_are_foreign():
    def tracing(frame, event, arg):
        if frame.f_globals.get("__name__") == "instrumented_calc.capture.example":
            raise TimeoutError
        return tracing

    before = sys.gettrace()
    sys.settrace(tracing)
    try:
        found = judged(measuring, [])
    finally:
        sys.settrace(before)
    assert found == (TimeoutError, True)


def test_exceptions_set_by_other_threads_are_foreign():
    waiting = ours(
        "import time\ndef run(given):\n    given.set()\n    end = time.monotonic() + 60\n"
        "    while time.monotonic() < end:\n        time.sleep(0.001)\n"
    )
    found, begun = [], threading.Event()
    thread = threading.Thread(target=lambda: found.append(judged(waiting, begun)))
    thread.start()
    assert begun.wait(60)
    set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc
    set_exception(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeLimitError))
    thread.join(60)
    assert found == [(TimeLimitError, True)]


COUNTING = ours(
    """
import itertools, signal, threading
lock = threading.Lock()

def one(given):
    return len((given,))

def run(delay):
    signal.setitimer(signal.ITIMER_REAL, delay)
    for number in itertools.count():
        one(number)
        with lock:
            pass
        str(number) + str([n for n in (1, 2)])
"""
)


def test_a_handler_that_removes_itself_is_foreign_wherever_it_strikes(alarm):
    found = []
    for delay in range(200):
        signal.signal(signal.SIGALRM, oneshot)
        found.append(judged(COUNTING, 1e-4 + delay * 3e-6))
    assert found == 200 * [(TimeLimitError, True)]


class Named:
    """Users' code that ours calls under another name than its own."""

    __slots__ = ("held", "inner")

    def __init__(self, depth=2):
        self.held = fail
        self.inner = Named(depth - 1) if depth else None

    def _read(self):
        fail()

    prop = property(_read)
    method = fail
    cached = staticmethod(cache(fail))

    def steps(self):
        fail()
        yield


@pytest.mark.parametrize(
    "call",
    [
        "given.held()",
        "given.inner.held()",
        "given.inner.inner.method()",
        "given.prop",
        "given.method()",
        "given.cached()",
        "list(given.steps())",
        "[*given.steps()]",
        "sorted([1, 2], key=given.held)",
        "next(map(given.method, [1]))",
        "str(given) + given.held()",
    ],
)
def test_users_code_that_ours_calls_is_not_foreign(call):
    function = ours(f"def run(given):\n    return {call}\n")
    assert judged(function, Named()) == (TimeLimitError, False)


def test_a_replaced_function_of_a_module_is_not_foreign(monkeypatch):
    monkeypatch.setattr(time, "sleep", fail)
    assert judged(ours("import time\ndef run(given):\n    time.sleep(given)\n"), 0) == (TimeLimitError, False)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_base_exceptions_are_foreign(kind):
    def stop():
        raise kind

    assert judged(raising, stop) == (kind, True)


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (raising, fail),  # the user's code, called by ours
        (raising, partial(int, "x")),
        (measuring, 7),
        (measuring, Odd()),
        (sorting, None),
        (raising, partial(time.sleep, -1)),
        (raising, partial(open, "/no/such/file")),
    ],
)
def test_exceptions_of_our_own_calls_are_ours(function, given):
    _, foreign = judged(function, given)
    assert not foreign


def test_a_function_of_ours_that_is_given_a_frame_is_not_a_handler():
    looking = ours(
        "import sys\ndef look(frame):\n    raise ValueError\ndef run(given):\n    look(sys._getframe())\n"
    )
    assert judged(looking, None) == (ValueError, False)


def test_own_faults_are_dropped_and_foreign_exceptions_pass(alarm):
    signal.signal(signal.SIGALRM, deep)
    with own_faults_dropped():
        raise ValueError
    with pytest.raises(TimeLimitError) as caught, own_faults_dropped():
        raising(partial(signal.raise_signal, signal.SIGALRM))
    assert caught.value.__context__ is None
