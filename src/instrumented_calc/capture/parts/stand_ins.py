"""Timed stand-ins: each runs a callable in its place and adds its exclusive host time to the open call.

Stand-ins on a calculator's own model are in place only while a wrapped calculator calculates, so that copies,
pickles and bare use of the same modules never contain them; a copy that is made inside a call gets the plain
callable. Stand-ins on libraries stay for the run, and time nothing outside recorded calls.
"""

from __future__ import annotations

import functools
import threading
import types
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.counting.jax_programs import count_execution
from instrumented_calc.capture.open_calls import SEPARATOR, Entry, active, extras_of
from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from instrumented_calc.integration import Part

lock = threading.RLock()
# Active stand-ins with their users: calculators that share a module share its stand-in.
_placed: dict[tuple[int, str], StandIn] = {}


class StandIn:
    """Run a callable in its place and add its exclusive time to the open call of the thread.

    Args:
        part: The timed part.
        label: Name of the part for tracers and counters; the part's own unless given.

    Attributes:
        name: Name of the part.
        label: Its name for tracers and counters, which may change between calls.
        users: Ids of the users for which it is in place.
        key: What it replaces: the owner's id and the attribute.
    """

    def __init__(self, part: Part, label: str | None = None) -> None:
        self.label = part.name if label is None else label
        self._owner = part.owner
        self._attribute = part.attribute
        self.name = part.name
        self._counts = part.counts
        self._wait = part.wait
        self._shapes = part.shapes
        self._found: Any = UNSET
        self._real: Any = None
        self._on_class = isinstance(part.owner, type)
        self.users: set[int] = set()
        self.key = id(part.owner), part.attribute
        functools.update_wrapper(self, getattr(part.owner, part.attribute))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the callable, timed inside recorded calls."""
        stack = active.stack
        if not stack:
            return self._real(*args, **kwargs)
        outer = stack[-1]
        call = outer.call or outer
        maker = outer.maker
        clock = maker.clock
        name, label, term = self.name, self.label, call.term
        if term:
            name = f"{term}{SEPARATOR}{name}"
            label = f"{term}{SEPARATOR}{label}" if label else term
        entry = Entry(outer.index, maker, 0, 0, None, label, call)
        stack.append(entry)
        device = call.device
        marked = device is not None and device.enter(name)
        ranges = call.ranges
        depth = 0 if ranges is None else ranges.enter(label)
        start = clock()
        try:
            returned = self._real(*args, **kwargs)
            if self._wait is not None:
                self._wait(returned)
            if self._counts is not None:
                note_counts(call, self._counts, returned)
        finally:
            elapsed = clock() - start
            if ranges is not None:
                ranges.leave(depth)
            if marked:
                device.leave()
            while stack and stack.pop() is not entry:
                pass  # an inner span that was never exited
            outer.inside_ns += elapsed
            components = call.components
            if components is UNSET:
                call.components = components = {}
            components[name] = components.get(name, 0) + elapsed - entry.inside_ns
        if self._shapes is not None:
            count_execution(entry, self._shapes, self._real, args, kwargs)
        return returned

    @property
    def real(self) -> Any:
        """What it runs while it is in place."""
        return self._real

    @property
    def replaced(self) -> Any:
        """What lay in the owner's own dictionary before it, UNSET if nothing."""
        return self._found

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind like the function that it replaces, if it is set on a class."""
        kind = type(self._found)
        if kind is classmethod:
            return types.MethodType(self, type(instance) if owner is None else owner)
        return self if instance is None or kind is staticmethod else types.MethodType(self, instance)

    def __reduce__(self) -> Any:
        """Drop the timing: a copy of the owner gets its own plain callable."""
        return getattr, (self._owner, self._attribute)

    def place(self) -> None:
        """Replace the callable."""
        owner, attribute = self._owner, self._attribute
        namespace = vars(owner)
        self._found = found = namespace.get(attribute, UNSET)
        self._real = getattr(owner, attribute) if found is UNSET else found
        if not self._on_class:
            namespace[attribute] = self  # not setattr: torch's takes microseconds
            return
        if type(found) in (classmethod, staticmethod):
            self._real = found.__func__
        setattr(owner, attribute, self)

    def take_back(self) -> None:
        """Restore the callable, if it was replaced."""
        owner, attribute, found = self._owner, self._attribute, self._found
        namespace = vars(owner)
        if namespace.get(attribute) is not self:
            return
        if self._on_class:
            setattr(owner, attribute, found)
        elif found is UNSET:
            del namespace[attribute]
        else:
            namespace[attribute] = found


def put_all(stand_ins: Iterable[StandIn], user: int) -> None:
    """Put stand-ins in place for a user.

    Args:
        stand_ins: The stand-ins.
        user: Identifies the user; the stand-ins stay until the last one has taken them back.

    Raises:
        Exception: One cannot be placed; none is.
    """
    with lock:  # one loop without calls: it runs at the start of every recorded calculation
        placed = None
        try:
            for stand_in in stand_ins:
                placed = _placed.setdefault(stand_in.key, stand_in)
                users = placed.users
                if not users:
                    placed.place()
                users.add(user)
        except BaseException:
            if placed is not None and not placed.users:
                placed.take_back()
                _placed.pop(placed.key, None)
            take_all_back(stand_ins, user)
            raise


def take_all_back(stand_ins: Iterable[StandIn], user: int) -> None:
    """Restore what the stand-ins replaced, except for other users. Calling it twice is harmless."""
    with lock:
        for stand_in in stand_ins:
            placed = _placed.get(stand_in.key)
            if placed is None:
                continue
            placed.users.discard(user)
            if not placed.users:
                placed.take_back()
                del _placed[stand_in.key]


def remove_now(stand_ins: Iterable[StandIn]) -> None:
    """Restore what the stand-ins replaced at once, for all users, in the middle of their calls."""
    with lock:
        for stand_in in stand_ins:
            placed = _placed.get(stand_in.key)
            if placed is not None:
                placed.take_back()


def note_counts(call: Entry, count: Callable[[Any], dict[str, int]], subject: Any) -> None:
    """Add an integration's counts to the call's row; errors of the integration are dropped.

    Args:
        call: The entry of an open call.
        count: Function that counts.
        subject: Its argument.
    """
    try:
        found = count(subject)
        if found:
            extras_of(call).setdefault("counts", {}).update(found)
    except Exception as fault:  # a context manager would double the cost
        if is_foreign(fault):
            raise
