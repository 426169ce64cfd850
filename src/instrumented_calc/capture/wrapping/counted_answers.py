"""Counts the requests to a calculator, and those answered without a calculation."""

from __future__ import annotations

import functools
import inspect
from contextlib import suppress
from types import FunctionType
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.calls.answers import is_answer
from instrumented_calc.capture.wrapping.recorded_method import as_of, takes

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.calls.lane import LiveLane

GET_PROPERTY = {"name": inspect.Parameter.empty, "atoms": None, "allow_calculation": True}


def counted(  # noqa: C901 - the hot path: extra calls would cost time
    owner: Any,
    lane_of: Callable[[Any], LiveLane],
    on_patch: Callable[[Any], None],
) -> Callable[..., Any]:
    """Return a `get_property` that counts its answers.

    Args:
        owner: Class with the calculator's own `get_property`, unbound: it is looked up at each call.
        lane_of: Returns the lane of the object that the method is called on.
        on_patch: Called with the object while `calculate` is patched on the instance.
    """
    real = owner.get_property
    bare = owner if isinstance(owner, type) else None

    @functools.wraps(real)
    def general(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        lane = lane_of(self)
        if "calculate" in lane.calculator.__dict__:
            on_patch(self)
        before = lane.calls
        lane.asked += 1
        try:
            if bare is None:
                answer = owner.get_property(self, *args, **kwargs)
            else:
                answer = as_of(bare, "get_property", self)(*args, **kwargs)
        except NotImplementedError as error:
            lane.not_implemented += is_answer(error)
            raise
        if lane.calls == before and answer is not None:
            lane.cache_hits += 1
        return answer

    @functools.wraps(real)
    def method(self: Any, name: Any, atoms: Any = None, allow_calculation: Any = True) -> Any:
        get_property = owner.get_property  # a class is searched at each access
        if type(get_property) is not FunctionType:  # patched since
            return general(self, name, atoms, allow_calculation)
        lane = lane_of(self)
        held = lane.held
        if "calculate" in (lane.calculator.__dict__ if held is None else held):
            on_patch(self)
        before = lane.calls
        lane.asked += 1
        try:
            answer = get_property(self, name, atoms, allow_calculation)
        except NotImplementedError as error:
            lane.not_implemented += is_answer(error)
            raise
        if lane.calls == before and answer is not None:
            lane.cache_hits += 1
        return answer

    usual = takes(real, tuple(GET_PROPERTY)) and all(
        inspect.signature(real).parameters[name].default is default for name, default in GET_PROPERTY.items()
    )
    return method if usual else general


def answered(owner: type, name: str, lane_of: Callable[[Any], LiveLane]) -> Callable[..., Any]:
    """Return a getter of the calculator that counts answers not computed by `calculate`.

    It costs a fifth of a row, so it removes itself from the twin's class once its calculator calculates.

    Args:
        owner: The calculator's class: its getter is looked up at each call.
        name: `get_forces` and the like.
        lane_of: Returns the lane of the object that the method is called on.
    """

    @functools.wraps(getattr(owner, name))
    def getter(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        lane = lane_of(self)
        calls, asked = lane.calls, lane.asked
        real = getattr(owner, name)
        if type(real) is FunctionType:
            answer = real(self, *args, **kwargs)
        else:  # since patched with something that binds differently
            answer = as_of(owner, name, self)(*args, **kwargs)
        if lane.calls != calls:
            _uncover(type(self), name, getter)
        elif lane.asked == asked:
            lane.asked += 1
        return answer

    return getter


def _uncover(face_class: type, name: str, getter: Callable[..., Any]) -> None:
    """Restore the calculator's own getter in a twin's class."""
    if vars(face_class).get(name) is getter:
        with suppress(AttributeError):  # another thread did it first
            type.__delattr__(face_class, name)
