"""Profiles one step inside somebody else's program without changing what it does.

A function set by `sys.setprofile` sees only its own thread, gives way to any other profiler, and ends itself
when it has cost too much. cProfile does none of this: while it runs, a `cProfile.Profile().enable()` of the
program's own fails on Python 3.12 and later.

Before Python 3.12, every kind of profiler holds a reference to the object whose C method is called, and
numpy then refuses `ndarray.resize`. Step profiles therefore need Python 3.12.

The interpreter removes a profile function that raises, and passes the exception to the program. So what a
signal handler or another thread raises while ours runs reaches the program once, and the profile is over.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from pathlib import Path
from threading import local
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.vocabulary import (
    CALCULATOR,
    INTERRUPTED,
    OUTSIDE,
    PROFILER_ACTIVE,
    STEP_TOO_LONG,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

IS_HARMLESS = sys.version_info >= (3, 12)
TOOLS = range(6)  # of sys.monitoring
DEEPEST_STACK = 1_000
CALIBRATION_CALLS, CALIBRATIONS = 400, 3
LONG = 10**9
RECORDER_FOLDER = f"{Path(__file__).parents[1]}{os.sep}"
SETPROFILE = "sys", "setprofile"
# C functions of Python that our own code calls during a step: by module, or by the address of the type.
OWN_CALLS = "", ""
STANDARD = frozenset((*sys.stdlib_module_names, *map(id, (dict, list, set, str, tuple, deque, local))))
# What a mistake of ours in the profile function would raise. Nothing else is caught there: an exception of a
# builtin class that another thread has set, a TimeoutError for example, cannot be told from our own.
OWN_FAULTS = AttributeError, IndexError, KeyError, MemoryError, RecursionError, TypeError

# The code of a Python function; module and name of a C function; None: a caller beyond the limit.
FunctionKey: TypeAlias = "CodeType | tuple[str, str] | None"


class FunctionSum(NamedTuple):
    """Calls of a function in one part of a step, and the time in it without what it calls."""

    key: FunctionKey
    calls: int
    ns: int


class StepSums(NamedTuple):
    """What a profiled step consists of.

    Attributes:
        parts: The functions between calls, and those in the calculator.
        wall_ns: Its duration, with the profiler.
    """

    parts: dict[str, list[FunctionSum]]
    wall_ns: int

    @property
    def events(self) -> int:
        """How often a function was entered or left; of the outermost ones only the end may be seen."""
        return 2 * sum(each.calls for functions in self.parts.values() for each in functions)

    @property
    def profiler_ns(self) -> int:
        """The profiler's part of the duration: what is in no function's time."""
        return max(self.wall_ns - sum(each.ns for part in self.parts.values() for each in part), 0)


def is_taken() -> bool:
    """Return whether a profiler, tracer or debugger is active in this thread."""
    if sys.getprofile() is not None or sys.gettrace() is not None:
        return True
    monitoring: Any = getattr(sys, "monitoring", None)
    return monitoring is not None and any(monitoring.get_tool(number) is not None for number in TOOLS)


class _FunctionCell:
    __slots__ = ("calls", "in_c", "is_ours", "key", "ns")

    def __init__(self, key: FunctionKey, *, in_c: bool = False, is_ours: bool = False) -> None:
        self.key = key
        self.in_c = in_c
        self.is_ours = is_ours
        self.calls = self.ns = 0


class StepProfiler:
    """Profiles the thread that starts it, from the end of one recorded call to the end of the next.

    Args:
        most_events: After how many entries and exits of functions it gives up.
        event_ns: What the interpreter needs to call the profiler once; subtracted from the functions' times.

    Attributes:
        most_events: As above.
        reason: Why the profile has no result; empty while it may still get one.
        expired: Set it in another thread to end the profile at the next event.
    """

    def __init__(self, most_events: int, event_ns: int) -> None:
        self.most_events = most_events
        self.expired = False
        self.reason = ""
        self._event_ns = event_ns
        self._parts: dict[str, dict[Any, _FunctionCell]] = {}
        self._began = 0
        self._watch: Any = None
        self._enter: Any = None

    def start(self) -> None:
        """Begin with the part between calls."""
        self._began = perf_counter_ns()
        self._watch, self._enter = self._functions(_running())
        sys.setprofile(self._watch)

    def enter_call(self) -> None:
        """Continue with the calculator."""
        if CALCULATOR in self._parts:  # an exception came in between when the last call was entered
            self.give_up()
        else:
            self._enter()

    def stop(self) -> StepSums | None:
        """End; None if the program has replaced the profiler, or the step took too long."""
        found = sys.getprofile()
        if found is self._watch:
            sys.setprofile(None)
        elif not self.reason:
            self.reason = INTERRUPTED if found is None else PROFILER_ACTIVE
        ended = perf_counter_ns()
        self.expired = True  # should the program put it back
        self._watch = self._enter = None  # they refer to this object
        if any(SETPROFILE in cells for cells in self._parts.values()):
            self.reason = self.reason or PROFILER_ACTIVE  # and since put back
        if self.reason:
            return None
        parts = {
            part: [FunctionSum(cell.key, cell.calls, max(cell.ns, 0)) for cell in cells.values()]
            for part, cells in self._parts.items()
        }
        return StepSums(parts, ended - self._began)

    def give_up(self) -> None:
        """End without a result; in the profiled thread."""
        self.reason = self.reason or INTERRUPTED
        if self._watch is not None and sys.getprofile() is self._watch:
            sys.setprofile(None)
        self._watch = self._enter = None

    def _functions(  # noqa: C901, PLR0915 - closures, the fastest there is
        self, running: list[CodeType]
    ) -> tuple[Callable[[FrameType, str, Any], None], Callable[[], None]]:
        """Return the profile function, and one that begins the next part.

        Args:
            running: The functions that the thread is in, outermost first.
        """
        cells: dict[Any, _FunctionCell] = {}
        kept: list[Any] = []  # alive, so that no other type gets the same address
        self._parts[OUTSIDE] = cells
        stack = [_cell_of(code, cells) for code in running]
        base = cells[None] = _FunctionCell(None)
        node = stack.pop()
        event_ns, left = self._event_ns, self.most_events
        clock = perf_counter_ns
        last = clock()

        def watch(  # noqa: C901, PLR0912 - runs at every call of a function: no call is spent on structure
            frame: FrameType, event: str, arg: Any
        ) -> None:
            nonlocal node, last, left
            now = clock()
            node.ns += now - last
            left -= 1
            try:
                if left < 0 or self.expired:
                    self.reason = STEP_TOO_LONG if left < 0 else INTERRUPTED
                    sys.setprofile(None)
                    return
                if event == "call":
                    code = frame.f_code
                    key = id(code)  # the hash of code takes long; the cell keeps the code alive
                    found = cells.get(key)
                    if found is None:
                        found = cells[key] = _new_cell(code)
                    found.calls += 1
                    stack.append(node)
                    node = found
                elif event == "return":
                    code = frame.f_code
                    if node.key is code or any(each.key is code for each in stack):
                        while node.key is not code:
                            node = stack.pop()
                        node = stack.pop() if stack else base
                elif event == "c_call":
                    owner = arg.__module__
                    name: Any = owner, arg.__name__
                    if type(owner) is not str:  # a method; a metaclass may define the hash of its type
                        owner = type(arg.__self__)
                        name = id(owner), arg.__name__
                    if node.is_ours and name[0] in STANDARD:
                        name = OWN_CALLS
                    found = cells.get(name)
                    if found is None:
                        kept.append(owner)
                        found = cells[name] = _c_cell(owner, name)
                    found.calls += 1
                    stack.append(node)
                    node = found
                elif node.in_c:
                    node = stack.pop() if stack else base
            except OWN_FAULTS as error:
                self.reason = INTERRUPTED
                sys.setprofile(None)
                try:
                    must_pass = is_foreign(error)
                except RecursionError:  # the program is at its limit, and may continue there
                    must_pass = False
                if must_pass:
                    raise
            last = clock() + event_ns

        def enter() -> None:
            nonlocal cells, node, base, last
            node.ns += clock() - last
            cells = self._parts[CALCULATOR] = {}
            base = node = _cell_of(enter.__code__, cells)
            stack.clear()
            last = clock()

        return watch, enter


def _cell_of(code: CodeType, cells: dict[Any, _FunctionCell]) -> _FunctionCell:
    found = cells.get(id(code))
    if found is None:
        found = cells[id(code)] = _new_cell(code)
    return found


def _new_cell(code: CodeType) -> _FunctionCell:
    return _FunctionCell(code, is_ours=code.co_filename.startswith(RECORDER_FOLDER))


def _c_cell(owner: str | type, name: tuple[Any, str]) -> _FunctionCell:
    if name is OWN_CALLS:
        return _FunctionCell(_new_cell.__code__, in_c=True)
    return _FunctionCell(_c_function(owner, name[1]), in_c=True)


def _running() -> list[CodeType]:
    """Return the functions that this thread is in, outermost first, without this one."""
    found: list[CodeType] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and len(found) < DEEPEST_STACK:
        found.append(frame.f_code)
        frame = frame.f_back
    return found[::-1]


def _c_function(owner: str | type, name: str) -> tuple[str, str]:
    """Return module and name of a C function, given its module, or the type of the object it belongs to."""
    if isinstance(owner, type):
        module = vars(type)["__module__"].__get__(owner)  # whatever its metaclass does
        return module if type(module) is str else "", f"{vars(type)['__name__'].__get__(owner)}.{name}"
    return owner, name


# -- what it costs ------------------------------------------------------------------------------------------


class EventCost(NamedTuple):
    """What one entry or exit of a function costs.

    Attributes:
        total_ns: In all.
        shown_ns: How much of that the profiler would take for the time of functions.
    """

    total_ns: float
    shown_ns: float


def measured_cost() -> EventCost | None:
    """Measure the profiler on this machine, with an empty function; None if the machine is too busy for it.

    It takes about 2 ms.
    """
    times = [_one_measurement() for _ in range(CALIBRATIONS)]
    bare, profiled, shown = (min(values) for values in zip(*times, strict=True))
    if not bare < shown <= profiled:
        return None
    events = 2 * CALIBRATION_CALLS
    return EventCost((profiled - bare) / events, (shown - bare) / events)


def _one_measurement() -> tuple[int, int, int]:
    """Return the time of some calls in ns: without the profiler, with it, and as it shows it."""
    began = perf_counter_ns()
    _call_empty()
    bare = perf_counter_ns() - began
    profiler = StepProfiler(LONG, 0)
    profiler.start()
    began = perf_counter_ns()
    _call_empty()
    profiled = perf_counter_ns() - began
    sums = profiler.stop()
    own = {_call_empty.__code__, _empty.__code__}
    shown = 0 if sums is None else sum(each.ns for each in sums.parts[OUTSIDE] if each.key in own)
    return bare, profiled, shown


def _empty() -> None:
    pass


def _call_empty() -> None:
    for _ in range(CALIBRATION_CALLS):
        _empty()
