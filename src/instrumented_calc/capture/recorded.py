"""Turns a calculator's own method into one that is recorded; shared by twins and proxies."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.active import active

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
        stack = active.stack
        depth = len(stack)
        try:
            entry = lane.recorder.begin(stack)
        except Exception as fault:  # noqa: BLE001 - a guest must not stop the MD run
            lane.recorder.fault("start of a call", fault)
            entry = None
        if entry is None:
            return real(self, *args, **kwargs)
        try:
            returned = real(self, *args, **kwargs)
        except BaseException as failure:
            del stack[depth:]
            _close(entry, lane, self, args, kwargs, None, failure)
            raise
        finally:
            del stack[depth:]  # also what an interrupt left open
        _close(entry, lane, self, args, kwargs, returned, None)
        return returned

    return method


def _close(
    entry: Entry,
    lane: Lane,
    calculator: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    returned: Any,
    failure: BaseException | None,
) -> None:
    try:
        atoms = args[0] if args else kwargs.get("atoms")
        if atoms is None:
            atoms = getattr(calculator, "atoms", None)
        results = getattr(calculator, "results", None)
        if results is None and returned is not None:  # evaluate() of ASE 4 returns its results
            results = getattr(returned, "properties", None)
        lane.recorder.finish(
            entry,
            lane,
            atoms,
            args[1] if len(args) > 1 else kwargs.get("properties"),
            args[2] if len(args) > 2 else kwargs.get("system_changes"),  # noqa: PLR2004 - ASE's third
            results,
            failure,
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
        lane.get_property += 1
        counters.get_property += 1
        try:
            answer = real(self, *args, **kwargs)
        except NotImplementedError:  # ASE's PropertyNotImplementedError is one
            lane.not_implemented += 1
            counters.not_implemented += 1
            raise
        if lane.calls == before and answer is not None:
            lane.cache_hits += 1
            counters.cache_hits += 1
        return answer

    return method
