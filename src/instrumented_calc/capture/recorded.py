"""Turns a calculator's own method into one that is recorded; shared by twins and proxies."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.active import active
from instrumented_calc.capture.recorder import RECORDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.active import Entry
    from instrumented_calc.capture.lanes import Lane


def recorded(real: Callable[..., Any], lane_of: Callable[[Any], Lane]) -> Callable[..., Any]:
    """Return a method that runs `real` and records it as one call.

    Arguments, result and exceptions are those of `real`, untouched; a fault of the recorder is
    counted, and the call goes on.

    Args:
        real: The calculator's own `calculate` or `evaluate`, unbound.
        lane_of: Gives the lane of the object that the method is called on.
    """

    @functools.wraps(real)
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        lane = lane_of(self)
        recorder = lane.recorder
        if recorder.state is not RECORDING and not recorder.ready():
            return real(self, *args, **kwargs)
        stack = active.stack
        entry = [recorder.next_index(), recorder, 0, UNSET, UNSET, UNSET]
        stack.append(entry)
        clock = recorder.clock
        start = clock()
        try:
            returned = real(self, *args, **kwargs)
        except BaseException as failure:
            end = clock()
            _close(lane, entry, self, args, kwargs, start, end, None, failure)
            raise
        end = clock()
        if kwargs or len(args) != 3 or stack.pop() is not entry:  # noqa: PLR2004 - as ASE calls
            _close(lane, entry, self, args, kwargs, start, end, returned, None)
            return returned
        try:
            recorder.finish(lane, entry, stack, self, args, start, end, returned, None)
        except Exception as fault:  # noqa: BLE001 - a guest must not stop the MD run
            recorder.fault("end of a call", fault)
        return returned

    return method


def _close(
    lane: Lane,
    entry: Entry,
    calculator: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    start: int,
    end: int,
    returned: Any,
    failure: BaseException | None,
) -> None:
    """Finish a call that is not as ASE makes them: by keyword, by a few arguments, or failed."""
    try:
        stack = active.stack
        while any(open_ is entry for open_ in stack):
            stack.pop()  # the call, and spans inside that were never left
        arguments: tuple[Any, Any, Any] = (
            args[0] if args else kwargs.get("atoms"),
            args[1] if len(args) > 1 else kwargs.get("properties"),
            args[2] if len(args) > 2 else kwargs.get("system_changes"),  # noqa: PLR2004 - the third
        )
        lane.recorder.finish(
            lane, entry, stack, calculator, arguments, start, end, returned, failure
        )
    except Exception as fault:  # noqa: BLE001 - a guest must not stop the MD run
        lane.recorder.fault("end of a call", fault)


def counted(real: Callable[..., Any], lane_of: Callable[[Any], Lane]) -> Callable[..., Any]:
    """Return a `get_property` that counts its answers.

    Args:
        real: The calculator's own `get_property`, unbound.
        lane_of: Gives the lane of the object that the method is called on.
    """

    @functools.wraps(real)
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        lane = lane_of(self)
        counters = lane.recorder.counters
        before = lane.calls
        counters.get_property += 1
        try:
            answer = real(self, *args, **kwargs)
        except NotImplementedError:  # ASE's PropertyNotImplementedError is one
            counters.not_implemented += 1
            raise
        if lane.calls == before and answer is not None:
            lane.cache_hits += 1
            counters.cache_hits += 1
        return answer

    return method
