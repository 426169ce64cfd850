"""Turns a calculator's own method into a recorded one; shared by twins and proxies.

The contract that `recorded` (any signature), `_as_ase_calls` (ASE's three arguments, the hot path) and
`_attended` (trace windows, step profiles) share:

1. Before the call, timed parts are put in place and an `Entry` is pushed on the thread's stack. If the run
   does not record, the real method runs and nothing else happens.
2. Arguments, result and exceptions are those of the real method, untouched. The clock is read directly before
   and after it.
3. After the call, whatever was raised and wherever, the entry is off the stack and the parts are put back;
   then `RowMaker.finish` makes the row. Internal errors there are counted and dropped, and the row is made
   from what is certain; exceptions that did not start in our own code pass.
"""

from __future__ import annotations

import functools
import inspect
from types import FunctionType
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.attribute_lookup import bind, found_on
from instrumented_calc.capture.open_calls import Entry, active
from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.calls.first_calls import FirstCalls
    from instrumented_calc.capture.calls.lane import LiveLane
    from instrumented_calc.capture.parts.components import Components
    from instrumented_calc.capture.places.step_profiling import StepProfiling
    from instrumented_calc.capture.tracing.windows import Windows

ABSENT: Any = object()
CALCULATE = ("atoms", "properties", "system_changes")


def recorded_method(owner: type, name: str, lane_of: Callable[[Any], LiveLane]) -> Callable[..., Any]:
    """Return a recorded method in place of a plain function of a class.

    The class's function is looked up at each call: it may be patched on the class at any time.

    Args:
        owner: The calculator's class.
        name: `calculate` or `evaluate`.
        lane_of: Returns the lane of the object that the method is called on.
    """
    real = getattr(owner, name)

    @functools.wraps(real)
    def current(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return as_of(owner, name, self)(*args, **kwargs)

    general = recorded(current, lane_of)
    if name == "calculate" and takes(real, CALCULATE):
        return _as_ase_calls(owner, general, lane_of)
    return general


def as_of(owner: type, name: str, face: Any) -> Callable[..., Any]:
    """Return the result of attribute access on an object of a class, for any kind of attribute."""
    bound: Callable[..., Any] = bind(found_on(owner, name), face, owner)
    return bound


def recorded_bound(
    call: Callable[..., Any], face: Any, lane_of: Callable[[Any], LiveLane]
) -> Callable[..., Any]:
    """Return a function that runs and records a callable that needs no object, since it is already bound.

    Args:
        call: The callable.
        face: The object that determines the lane.
        lane_of: Returns the lane of `face`.
    """

    def unbound(_: Any, /, *args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs)

    record = recorded(unbound, lane_of)

    def bound(*args: Any, **kwargs: Any) -> Any:
        return record(face, *args, **kwargs)

    return functools.update_wrapper(bound, call, updated=())


def recorded(real: Callable[..., Any], lane_of: Callable[[Any], LiveLane]) -> Callable[..., Any]:
    """Return a method that runs `real` and records it as one call.

    Arguments, result and exceptions are those of `real`, unchanged; an error of the recorder is counted, and
    the call continues.

    Args:
        real: The method to run, with the object as its first argument.
        lane_of: Returns the lane of the object that the method is called on.
    """

    @functools.wraps(real)
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        lane = lane_of(self)
        maker = lane.recorder.maker or lane.recorder.ready()
        if maker is None:
            return real(self, *args, **kwargs)
        next_index = maker.next_index  # a local is called faster than a slot
        index = next_index()
        entry = Entry(index, maker)
        attend_at = maker.attend_at
        if attend_at is not None and index >= attend_at:
            return _attended(lane, entry, real, self, args, kwargs)
        components = None
        stack = active.stack
        clock = maker.clock
        start = 0
        # Ctrl-C may strike anywhere: an entry left behind would become the parent of all later calls.
        try:
            if lane.components is not None:
                components = lane.components.put(entry)
            stack.append(entry)
            entry.start = start = clock()
            returned = real(self, *args, **kwargs)
            end = clock()
            _leave(stack, entry)
        except BaseException as failure:
            end = clock()
            _close(lane, entry, components, args, kwargs, start, end, None, failure)
            raise
        _close(lane, entry, components, args, kwargs, start, end, returned, None)
        return returned

    return method


def _as_ase_calls(  # noqa: C901 - the hot path: no call is spent on structure
    owner: Any, general: Callable[..., Any], lane_of: Callable[[Any], LiveLane]
) -> Callable[..., Any]:
    """Return the faster method for a `calculate` with ASE's own three arguments.

    It is the hot path: no argument is packed, and calls with fewer arguments are left to `general`.
    """

    @functools.wraps(general)
    def method(self: Any, atoms: Any = ABSENT, properties: Any = ABSENT, system_changes: Any = ABSENT) -> Any:
        if system_changes is ABSENT or properties is ABSENT or atoms is ABSENT:
            given = zip(CALCULATE, (atoms, properties, system_changes), strict=True)
            return general(self, **{key: value for key, value in given if value is not ABSENT})
        lane = lane_of(self)
        calculate = owner.calculate
        if type(calculate) is not FunctionType:  # since patched with something that binds differently
            return general(self, atoms, properties, system_changes)
        maker = lane.recorder.maker or lane.recorder.ready()
        if maker is None:
            return calculate(self, atoms, properties, system_changes)
        next_index = maker.next_index  # a local is called faster than a slot
        index = next_index()
        entry = Entry(index, maker)
        attend_at = maker.attend_at
        if attend_at is not None and index >= attend_at:
            return _attended(lane, entry, calculate, self, (atoms, properties, system_changes), {})
        components = None
        stack = active.stack
        clock = maker.clock
        start = 0
        try:
            if lane.components is not None:
                components = lane.components.put(entry)
            stack.append(entry)
            entry.start = start = clock()
            returned = calculate(self, atoms, properties, system_changes)
            end = clock()
            tidy = stack.pop() is entry
        except BaseException as failure:
            end = clock()
            args = (atoms, properties, system_changes)
            _close(lane, entry, components, args, {}, start, end, None, failure)
            raise
        if components is not None or not tidy:
            args = (atoms, properties, system_changes)
            _close(lane, entry, components, args, {}, start, end, returned, None)
            return returned
        try:
            maker.finish(lane, entry, stack, atoms, properties, system_changes, start, end, returned, None)
        except BaseException as fault:
            if _passes(fault, lane, entry, start, end, None):
                raise
        return returned

    return method


def _attended(  # noqa: PLR0913, PLR0917 - the data of a call
    lane: LiveLane,
    entry: Entry,
    real: Callable[..., Any],
    calculator: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Run and record a call while a trace window or a step profile is due or open."""
    maker = entry.maker
    stack, clock, recorder, before = active.stack, maker.clock, lane.recorder, maker.last_end
    components = windows = steps = None
    start = 0
    outermost = not stack
    try:
        if lane.components is not None:
            components = lane.components.put(entry)
        steps = _profiling(recorder.step_profiling) if outermost else None
        windows = _tracing(entry, recorder.windows, stack) if steps is None else None
        stack.append(entry)
        if windows is not None:
            entry.ranges.enter("")
        entry.start = start = clock()
        returned = real(calculator, *args, **kwargs)
        if windows is not None:
            entry.ranges.leave(0)
        end = clock()
        _leave(stack, entry)
    except BaseException as failure:
        _close_attended(lane, entry, components, args, kwargs, start, clock(), None, failure, windows, steps)
        raise
    _close_attended(lane, entry, components, args, kwargs, start, end, returned, None, windows, steps)
    if outermost and windows is None and recorder.step_profiling is not None:
        recorder.step_profiling.begin(lane, entry, before, end)
    return returned


def _tracing(entry: Entry, windows: Windows | None, stack: list[Entry]) -> Windows | None:
    """Return the trace windows if they trace this call, whose `end` must then be called."""
    due = entry.maker.trace_at
    traced = windows is not None and due is not None and entry.index >= due and windows.enter(entry, stack)
    return windows if traced else None


def _profiling(steps: StepProfiling | None) -> StepProfiling | None:
    """Return the step profiles if one is open in this thread, which then ends with this call."""
    return steps if steps is not None and steps.enter() else None


def _close_attended(  # noqa: PLR0913, PLR0917 - the data of a call
    lane: LiveLane,
    entry: Entry,
    components: Components | FirstCalls | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    start: int,
    end: int,
    returned: Any,
    failure: BaseException | None,
    windows: Windows | None,
    steps: StepProfiling | None,
) -> None:
    """Finish a call and what attends it, whatever happens on the way."""
    try:
        if steps is not None:
            steps.leave(entry, succeeded=failure is None)
    finally:
        try:
            _close(lane, entry, components, args, kwargs, start, end, returned, failure)
        finally:
            if windows is not None:
                windows.leave(entry, start or end, end)


def takes(real: Callable[..., Any], names: tuple[str, ...]) -> bool:
    """Return whether a method takes exactly these arguments, each by position or by name."""
    try:
        parameters = tuple(inspect.signature(real).parameters.values())[1:]
    except (TypeError, ValueError):
        return False
    kinds = {parameter.kind for parameter in parameters}
    return tuple(parameter.name for parameter in parameters) == names and kinds == {
        inspect.Parameter.POSITIONAL_OR_KEYWORD
    }


def _leave(stack: list[Entry], entry: Entry) -> None:
    while any(open_ is entry for open_ in stack):
        stack.pop()  # the call, and inner spans that were never exited


def _close(  # noqa: PLR0913, PLR0917 - the data of a call
    lane: LiveLane,
    entry: Entry,
    components: Components | FirstCalls | None,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    start: int,
    end: int,
    returned: Any,
    failure: BaseException | None,
) -> None:
    """Finish a call that has timed parts, fewer arguments than ASE passes, or a failure.

    A call interrupted before the calculator's own method began (`start` is 0) leaves no row.
    """
    try:
        stack = active.stack
        _leave(stack, entry)
        if components is not None:
            components.take_back(entry)
            components.collect(entry, lane.calculator)
        if not start:
            return
        atoms = args[0] if args else kwargs.get("atoms")
        properties = args[1] if len(args) > 1 else kwargs.get("properties")
        changes = args[2] if len(args) > 2 else kwargs.get("system_changes")  # noqa: PLR2004 - the third
        entry.maker.finish(lane, entry, stack, atoms, properties, changes, start, end, returned, failure)
    except BaseException as fault:
        if components is not None:
            components.take_back(entry)
        if _passes(fault, lane, entry, start, end, failure):
            raise


def _passes(  # noqa: PLR0913, PLR0917 - the data of a call
    fault: BaseException, lane: LiveLane, entry: Entry, start: int, end: int, failure: BaseException | None
) -> bool:
    """Return whether the exception at the end of a call is the user's; the call is counted in any case.

    The call itself has ended, and its row has the certain facts: start, duration and failure.
    """
    if entry.start:  # its row is not in the outbox yet
        try:
            entry.maker.finish_plainly(lane, entry, active.stack, start, end, failure)
        except Exception as another:
            lane.recorder.lose_row()
            if is_foreign(another):
                raise
        except BaseException:
            lane.recorder.lose_row()
            raise
    if is_foreign(fault):
        return True
    lane.recorder.fault("end of a call", fault)
    return False
