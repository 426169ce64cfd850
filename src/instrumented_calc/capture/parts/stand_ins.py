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
    from collections.abc import Callable, Iterable, Sequence

    from instrumented_calc.integration import Part

lock = threading.RLock()
# Groups that are in place.
in_use: set[StandInGroup] = set()


class StandInGroup:
    """Stand-ins that are put in place together, for as long as anyone uses them.

    Args:
        stand_ins: The stand-ins.

    Attributes:
        users: Those for whom they are in place.
    """

    __slots__ = ("_places", "users")

    def __init__(self, stand_ins: Iterable[StandIn]) -> None:
        self.users: set[int] = set()
        self._places = tuple((each, each.owner, each.attribute) for each in stand_ins)
        for each in self.stand_ins:
            each.group = self

    @property
    def stand_ins(self) -> list[StandIn]:
        """The stand-ins that were not dropped."""
        return [each for each, _, _ in self._places]

    def put(self, user: int) -> None:
        """Put the stand-ins in place for a user.

        This runs at the start of every recorded calculation, so the usual case is written out here.

        Args:
            user: Identifies the user; the stand-ins stay until the last one has taken them back.

        Raises:
            Exception: One cannot be placed; none is.
        """
        with lock:
            try:
                is_first = not self.users
                self.users.add(user)
                if is_first:
                    in_use.add(self)
                    for stand_in, owner, attribute in self._places:
                        namespace = vars(owner)
                        if attribute in namespace or not stand_in.is_plain:
                            stand_in.place()
                        else:
                            stand_in.real = getattr(owner, attribute)
                            namespace[attribute] = stand_in  # not setattr: torch's takes microseconds
            except BaseException:
                self.take_back(user)
                raise

    def take_back(self, user: int) -> None:
        """Restore what the stand-ins replaced, except for other users. Calling it twice is harmless."""
        with lock:
            self.users.discard(user)
            if not self.users:
                for stand_in, owner, attribute in self._places:
                    namespace = vars(owner)
                    if stand_in.is_plain and namespace.get(attribute) is stand_in:
                        del namespace[attribute]
                    else:
                        stand_in.take_back()
                in_use.discard(self)

    def drop(self, stand_ins: Sequence[StandIn]) -> None:
        """Take stand-ins out of the group, and out of place if a call of another thread uses them."""
        with lock:
            remove_now(stand_ins)
            dropped = {id(each) for each in stand_ins}
            self._places = tuple(place for place in self._places if id(place[0]) not in dropped)


def remove_now(stand_ins: Iterable[StandIn]) -> None:
    """Restore what the stand-ins replaced at once, for all users, in the middle of their calls."""
    with lock:
        for stand_in in stand_ins:
            stand_in.remove_now()


class StandIn:
    """Run a callable in its place and add its exclusive time to the open call of the thread.

    Args:
        part: The timed part.
        label: Name of the part for tracers and counters; the part's own unless given.

    Attributes:
        name: Name of the part.
        label: Its name for tracers and counters, which may change between calls.
        owner: What it is stored in.
        attribute: Its name there.
        group: The group that it belongs to.
        real: What it runs while it is in place.
        replaced: What lay in the owner's own dictionary before it, UNSET if nothing.
        is_plain: Whether it replaces nothing in an object's dictionary, and no other group shares it.
    """

    # A slot is read in a fraction of the time: the dictionary is the replaced function's.
    __slots__ = (
        *("__dict__", "__weakref__", "_counts", "_is_wrapped", "_on_class", "_others", "_shapes", "_wait"),
        *("attribute", "group", "is_plain", "label", "name", "owner", "real", "replaced"),
    )

    def __init__(self, part: Part, label: str | None = None) -> None:
        self.label = part.name if label is None else label
        self.name = part.name
        self.owner = part.owner
        self.attribute = part.attribute
        self.group: StandInGroup
        self.real: Any = None
        self.replaced: Any = UNSET
        self.is_plain = False  # not known yet
        self._is_wrapped = False  # by what the program stored in its place during a call
        self._on_class = isinstance(part.owner, type)
        self._others: frozenset[StandInGroup] = frozenset()  # that share it
        self._counts = part.counts
        self._wait = part.wait
        self._shapes = part.shapes
        vars(part.owner)  # fails now or never
        functools.update_wrapper(self, getattr(part.owner, part.attribute))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the callable, timed inside recorded calls."""
        stack = active.stack
        if not stack:
            return self.real(*args, **kwargs)
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
            returned = self.real(*args, **kwargs)
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
            count_execution(entry, self._shapes, self.real, args, kwargs)
        return returned

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind like the function that it replaces, if it is set on a class."""
        kind = type(self.replaced)
        if kind is classmethod:
            return types.MethodType(self, type(instance) if owner is None else owner)
        return self if instance is None or kind is staticmethod else types.MethodType(self, instance)

    def __reduce__(self) -> Any:
        """Drop the timing: a copy of the owner gets its own plain callable."""
        return getattr, (self.owner, self.attribute)

    def place(self) -> None:
        """Replace the callable, unless a stand-in is there that another group uses: that one is shared."""
        owner, attribute = self.owner, self.attribute
        found = vars(owner).get(attribute, UNSET)
        if issubclass(type(found), StandIn):
            if found is not self:
                found.share(self.group)
            return
        if self._is_wrapped:  # it would run itself
            return
        if found is UNSET:
            real = getattr(owner, attribute)
        else:
            unbound = self._on_class and type(found) in (classmethod, staticmethod)
            real = found.__func__ if unbound else found
        self.real = self._timed(real)
        self.replaced = found
        self.is_plain = found is UNSET and not self._on_class
        self._others = frozenset()
        if self._on_class:
            setattr(owner, attribute, self)
        else:
            vars(owner)[attribute] = self

    def take_back(self) -> None:
        """Restore the callable for the own group, which has no users any more."""
        placed = vars(self.owner).get(self.attribute, UNSET)
        if issubclass(type(placed), StandIn):
            placed.leave(self.group)
        elif placed is not self.replaced:
            self._is_wrapped = True
            self.is_plain = False

    def share(self, group: StandInGroup) -> None:
        """Stay in place for another group, too."""
        self.is_plain = False
        self._others |= {group}

    def leave(self, group: StandInGroup) -> None:
        """Restore the callable after the last group."""
        self._others -= {group}
        if not (self.group.users or self._others):
            self.remove()

    def remove_now(self) -> None:
        """Restore the callable for all groups, in the middle of their calls."""
        placed = vars(self.owner).get(self.attribute)
        if issubclass(type(placed), StandIn):
            placed.remove()

    def remove(self) -> None:
        """Restore the callable, from its place."""
        owner, attribute, replaced = self.owner, self.attribute, self.replaced
        if not self._on_class:
            namespace = vars(owner)
            if replaced is UNSET:
                del namespace[attribute]
            else:
                namespace[attribute] = replaced
        elif replaced is UNSET:
            delattr(owner, attribute)
        else:
            setattr(owner, attribute, replaced)

    def _timed(self, real: Any) -> Any:
        """Return what is run and timed in place of the real callable."""
        return real


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
