"""What the current thread is calculating, and the user's own spans inside it.

Each thread has a stack of entries: one for every recorded call that is open, and one for every span inside.
A call's entry is the list `[index, maker, inside_ns, components, signatures, name, gc_ns, gc_generation,
extras, device, ranges, start]`; `inside_ns` sums what inner entries took, so that every time is exclusive.
`signatures` is None until a contraction is counted. `components`, and `gc_ns` to `extras`, are UNSET until
there is something to say; `extras` holds further fields of the row by name; `device` marks parts in a
device's stream, or is None; `ranges` tell a tracer what runs while the call is traced, or is None; `start`
is when the call began, in ns of the run's clock, and 0 before that. A span's entry is the list
`[index, maker, inside_ns, call, signatures, name]`; a call's name is empty.

Other threads read which calls are open through `open_calls`.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import UNSET

if TYPE_CHECKING:
    from types import TracebackType

Entry: TypeAlias = list[Any]
START = 11  # place of a call's start in its entry


class _Stack:
    """Makes a thread's stack visible to other threads; it dies with the thread's local data."""

    def __init__(self, entries: list[Entry]) -> None:
        self.thread = threading.get_ident()
        self.entries = entries


class _Active(threading.local):
    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Give the thread a new, empty stack: calls that are open keep a reference to the old one."""
        self.stack: list[Entry] = []
        self._registered = registered = _Stack(self.stack)
        _stacks[id(registered)] = registered


# Weak: greenlets may have one each, and none must outlive its thread.
_stacks: weakref.WeakValueDictionary[int, _Stack] = weakref.WeakValueDictionary()
active = _Active()


def open_calls() -> list[tuple[int, list[Entry]]]:
    """Return the recorded calls that are open in each thread; any thread may ask.

    Returns:
        For each thread with an open call: its ident, and the entries of its calls, outermost first.
        Spans are left out. Calls of all runs are included: `entry[1]` is the run's row maker.
    """
    found = []
    for reference in _stacks.valuerefs():  # a copy: threads come and go meanwhile
        registered = reference()
        if registered is None:
            continue
        calls = [entry for entry in tuple(registered.entries) if type(entry[3]) is not list]
        if calls:
            found.append((registered.thread, calls))
    return found


def after_fork_in_child() -> None:
    """Forget the calls that the fork found open: they are the parent's."""
    _stacks.clear()
    active.renew()


def call_of(entry: Entry) -> Entry:
    """Return the entry of the call that an entry belongs to: its own, or that of a span's call."""
    call: Entry = entry[3] if type(entry[3]) is list else entry
    return call


def extras_of(call: Entry) -> dict[str, Any]:
    """Return the further fields of an open call's row, to be added to."""
    if call[8] is UNSET:
        call[8] = {}
    extras: dict[str, Any] = call[8]
    return extras


class span:  # noqa: N801 - a context manager that reads like a function
    """Times a part of a calculation under a name of your own.

    Inside a recorded `calculate()` the time becomes a component of the call's row, exclusive of inner
    spans; anywhere else, and when profiling is off, nothing happens.

    ```python
    with span("graph"):
        graph = build_graph(atoms)
    ```

    Args:
        name: Name of the component.
    """

    __slots__ = ("_depth", "_entry", "_name", "_start")

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> span:  # noqa: PYI034 - Self is younger than Python 3.10
        """Start the time, if a recorded call is open in this thread."""
        stack = active.stack
        if not stack:
            self._entry: Entry | None = None
            return self
        outer = stack[-1]
        call = outer[3] if type(outer[3]) is list else outer  # call_of, inlined: spans are many
        self._entry = entry = [outer[0], outer[1], 0, call, None, self._name]
        stack.append(entry)
        if call[10] is not None:
            self._depth: int = call[10].enter(self._name)
        self._start: int = outer[1].clock()
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
        maker, inside, call = entry[1], entry[2], entry[3]
        elapsed = maker.clock() - self._start
        if call[10] is not None:
            call[10].leave(self._depth)
        stack = active.stack
        while stack and stack.pop() is not entry:
            pass  # an inner span that was never left
        if stack:
            stack[-1][2] += elapsed
        components = call[3]
        if components is UNSET:
            call[3] = components = {}
        components[self._name] = components.get(self._name, 0) + elapsed - inside
