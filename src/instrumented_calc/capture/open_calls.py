"""The recorded calls that are open in each thread, and the user's own spans inside them.

Each thread has a stack of entries: one for every recorded call that is open, and one for every span or timed
part inside. Other threads read which calls are open through `open_calls`.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType


SEPARATOR = " / "  # between a calculator inside the calculator and a part inside it


class Entry(Struct, gc=False, eq=False):
    """An open call, or an open span inside one.

    It takes as long to make as a list, and never refers back to itself, so the collector need not track it.

    Attributes:
        index: Number of the call.
        maker: Makes the rows of the call's run.
        inside_ns: Time of the entries inside of this one, so that every time is exclusive.
        signatures: Where this thread counts contractions in this component; None before the first.
        name: Name of the span; a call's is empty.
        call: The call that contains a span; None for a call. The fields below are used by calls only.
        start: When the call began, on the run's clock in ns; 0 before that, and once its row is made.
        components: Exclusive times of the parts, in ns; UNSET before the first.
        extras: Further fields of the call's row, by name; UNSET before the first.
        device: Marks parts in a device's stream, or None.
        ranges: Marks the running part for a tracer while the call is traced, or None.
        term: The calculators inside the calculator that are running: `SumCalculator / EMT`.
    """

    index: int
    maker: Any
    start: int = 0
    inside_ns: int = 0
    signatures: Any = None
    name: str = ""
    call: Any = None
    components: Any = UNSET
    extras: Any = UNSET
    device: Any = None
    ranges: Any = None
    term: str = ""


class _Stack:
    """Make a thread's stack visible to other threads; deleted with the thread's local data."""

    def __init__(self, entries: list[Entry]) -> None:
        self.thread = threading.get_ident()
        self.entries = entries


class _Active(threading.local):
    # Seen by a garbage collection that starts before the thread has its stack: its listener asks for it.
    stack: list[Entry] = ()  # type: ignore[assignment]  # not accessible elsewhere

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Give the thread a new, empty stack: open calls keep a reference to the old one."""
        self.stack = []
        self._registered = registered = _Stack(self.stack)
        _stacks[id(registered)] = registered


# Weak: each greenlet may have one, and none may outlive its thread.
_stacks: weakref.WeakValueDictionary[int, _Stack] = weakref.WeakValueDictionary()
active = _Active()


def open_calls() -> list[tuple[int, list[Entry]]]:
    """Return the open recorded calls of each thread; may be called from any thread.

    Returns:
        For each thread with an open call: its ident, and the entries of its calls, outermost first.
        Spans are left out. Calls of all runs are included: `entry.maker` is the run's row maker.
    """
    found = []
    for thread, entries in _all_entries():
        calls = [entry for entry in entries if entry.call is None]
        if calls:
            found.append((thread, calls))
    return found


def open_entries(maker: Any) -> list[tuple[int, list[Entry]]]:
    """Return what is open of one run in each thread; may be called from any thread.

    Args:
        maker: Makes the run's rows.

    Returns:
        For each thread with an open call of the run: its ident, and the entries of calls, spans and parts,
        outermost first.
    """
    found = []
    for thread, entries in _all_entries():
        own = [entry for entry in entries if entry.maker is maker and call_of(entry).start]
        if own:
            found.append((thread, own))
    return found


def _all_entries() -> Iterator[tuple[int, tuple[Entry, ...]]]:
    for reference in _stacks.valuerefs():  # a copy: threads may start and end meanwhile
        registered = reference()
        if registered is not None:
            yield registered.thread, tuple(registered.entries)


def after_fork_in_child() -> None:
    """Drop the calls that were open at the fork: they belong to the parent."""
    _stacks.clear()
    active.renew()


def call_of(entry: Entry) -> Entry:
    """Return the entry of the enclosing call; a call's own entry for a call."""
    call: Entry = entry.call or entry
    return call


def extras_of(call: Entry) -> dict[str, Any]:
    """Return the mutable further fields of an open call's row."""
    if call.extras is UNSET:
        call.extras = {}
    extras: dict[str, Any] = call.extras
    return extras


class span:  # noqa: N801 - a context manager that reads like a function
    """Times a part of a calculation under a name of your own.

    Inside a recorded `calculate()` the time becomes a component of the call's row, exclusive of inner spans;
    anywhere else, and when profiling is off, nothing happens.

    ```python
    with span("graph"):
        graph = build_graph(atoms)
    ```

    Args:
        name: Name of the component.
    """

    __slots__ = ("_depth", "_entry", "_full_name", "_name", "_start")

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> span:  # noqa: PYI034 - Self needs Python 3.11
        """Start timing, if a recorded call is open in this thread."""
        stack = active.stack
        if not stack:
            self._entry: Entry | None = None
            return self
        outer = stack[-1]
        call = outer.call or outer
        maker = outer.maker
        name = self._name
        if call.term:
            name = f"{call.term}{SEPARATOR}{name}"
        self._full_name = name
        self._entry = entry = Entry(outer.index, maker, 0, 0, None, name, call)
        stack.append(entry)
        if call.ranges is not None:
            self._depth: int = call.ranges.enter(name)
        self._start: int = maker.clock()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Add the time to the call's row."""
        entry = self._entry
        if entry is None:
            return
        call = entry.call
        elapsed = entry.maker.clock() - self._start
        if call.ranges is not None:
            call.ranges.leave(self._depth)
        stack = active.stack
        while stack and stack.pop() is not entry:
            pass  # an inner span that was never exited
        if stack:
            stack[-1].inside_ns += elapsed
        components = call.components
        if components is UNSET:
            call.components = components = {}
        name = self._full_name
        components[name] = components.get(name, 0) + elapsed - entry.inside_ns
