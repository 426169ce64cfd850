"""Times the parts of a calculator: exclusive host times that sum, with `other`, to each call's wall time.

A part is replaced by a timed stand-in. Stand-ins on a calculator's own model are in place only while a
wrapped calculator calculates, so that copies, pickles and bare use of the same modules never contain them; a
copy that is made inside a call gets the plain callable. Stand-ins on neighbour-list libraries stay for the
run, and time nothing outside recorded calls.
"""

from __future__ import annotations

import functools
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.counting.jax_programs import count_execution, explain
from instrumented_calc.capture.open_calls import Entry, active, extras_of
from instrumented_calc.foreign import is_foreign
from instrumented_calc.integration import Part
from instrumented_calc.journal.vocabulary import LIST_BUILDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from instrumented_calc.capture.probes.torch_device import DeviceTimes

NEIGHBOUR_LIST = "neighbour list"
# The places where the libraries themselves look these up, so that early imports by callers are covered.
NEIGHBOUR_CALLABLES = (
    ("ase.neighborlist", "", "primitive_neighbor_list"),
    ("ase.neighborlist", "PrimitiveNeighborList", "update"),
    ("ase.neighborlist", "NewPrimitiveNeighborList", "update"),
    ("matscipy.ffi", "", "neighbour_list"),
    ("vesin", "NeighborList", "compute"),
)

_lock = threading.RLock()
# Active stand-ins with their users: calculators that share a module share its stand-in.
_placed: dict[tuple[int, str], StandIn] = {}


class StandIn:
    """Run a callable in its place and add its exclusive time to the open call of the thread.

    Args:
        part: The timed part.
    """

    def __init__(self, part: Part) -> None:
        self._owner = part.owner
        self._attribute = part.attribute
        self._name = part.name
        self._counts = part.counts
        self._wait = part.wait
        self._shapes = part.shapes
        self._found: Any = UNSET
        self._real: Any = None
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
        entry = Entry(outer.index, maker, 0, 0, None, self._name, call)
        stack.append(entry)
        device = call.device
        marked = device is not None and device.enter(self._name)
        ranges = call.ranges
        depth = 0 if ranges is None else ranges.enter(self._name)
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
            components[self._name] = components.get(self._name, 0) + elapsed - entry.inside_ns
        if self._shapes is not None:
            count_execution(entry, self._shapes, self._real, args, kwargs)
        return returned

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bind like the function that it replaces, if it is set on a class."""
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> Any:
        """Drop the timing: a copy of the owner gets its own plain callable."""
        return getattr, (self._owner, self._attribute)

    def place(self) -> None:
        """Replace the callable."""
        owner, attribute = self._owner, self._attribute
        namespace = vars(owner)
        self._found = namespace.get(attribute, UNSET)
        self._real = getattr(owner, attribute) if self._found is UNSET else self._found
        if isinstance(owner, type):
            setattr(owner, attribute, self)
        else:
            namespace[attribute] = self  # not setattr: torch's takes microseconds

    def take_back(self) -> None:
        """Restore the callable, if it was replaced."""
        if vars(self._owner).get(self._attribute) is not self:
            return
        if isinstance(self._owner, type):
            setattr(self._owner, self._attribute, self._found)
        elif self._found is UNSET:
            vars(self._owner).pop(self._attribute, None)
        else:
            vars(self._owner)[self._attribute] = self._found


class Components:
    """The stand-ins of one calculator, installed for each of its calls.

    Args:
        parts: The timed parts.
        counts: Given the calculator, returns the integration's counts of the call that has just ended.
        device: Also times the parts on the model's device.
        on_fault: Called with the place and the exception of an error that costs a measurement.
    """

    def __init__(
        self,
        parts: Iterable[Part],
        *,
        counts: Callable[[Any], dict[str, int]] | None = None,
        device: DeviceTimes | None = None,
        on_fault: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        parts = [*parts]
        self._stand_ins = [StandIn(part) for part in parts]
        self._counts = counts
        self._device = device
        self._on_fault = on_fault
        self._runs_programs = any(part.shapes is not None for part in parts)

    def __len__(self) -> int:
        """Return the number of timed callables."""
        return len(self._stand_ins)

    def put(self, entry: Entry | None = None) -> Components | None:
        """Start timing at the beginning of a call.

        Args:
            entry: The call's entry; None if the callables are timed until `take_back()`. The call continues
                untimed if a callable cannot be replaced.

        Returns:
            These components, or None if nothing is timed.
        """
        user = id(self if entry is None else entry)
        with _lock:
            try:
                for stand_in in self._stand_ins:
                    _use(stand_in, user)
            except BaseException as fault:
                _take_back(self._stand_ins, user)
                if is_foreign(fault):
                    raise
                self._stand_ins = []
                if self._on_fault is not None:
                    self._on_fault("timing of parts", fault)
                return None
        if entry is not None:
            entry.device = self._device
        return self

    def collect(self, entry: Entry, calculator: Any) -> None:
        """Add counts and device times to a call that has ended; errors of an integration are dropped.

        Args:
            entry: The call's entry.
            calculator: The bare calculator.
        """
        if self._counts is not None:
            note_counts(entry, self._counts, calculator)
        if self._device is not None:
            busy = self._device.read()
            if busy:
                extras_of(entry)["device_ns"] = busy
        if self._runs_programs and entry.maker.signatures.unexplained:
            try:
                explain(entry.maker.signatures)
            except Exception as fault:
                if is_foreign(fault):
                    raise
                if self._on_fault is not None:
                    self._on_fault("contractions of JAX programs", fault)

    def take_back(self, entry: Entry | None = None) -> None:
        """Restore everything after the call. Calling it twice is harmless.

        Args:
            entry: The argument of `put`.
        """
        with _lock:
            _take_back(self._stand_ins, id(self if entry is None else entry))


def _use(stand_in: StandIn, user: int) -> None:
    placed = _placed.setdefault(stand_in.key, stand_in)
    if not placed.users:
        try:
            placed.place()
        except BaseException:
            placed.take_back()
            del _placed[stand_in.key]
            raise
    placed.users.add(user)


def _take_back(stand_ins: Iterable[StandIn], user: int) -> None:
    for stand_in in stand_ins:
        placed = _placed.get(stand_in.key)
        if placed is None:
            continue
        placed.users.discard(user)
        if not placed.users:
            placed.take_back()
            del _placed[stand_in.key]


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


def parts_of_modules(calculator: Any) -> list[Part]:
    """Return the direct children of each torch module held by a calculator.

    A module compiled by torch.compile is one part: its inside must not be touched.

    Args:
        calculator: Any calculator; torch is not imported for it.
    """
    nn = getattr(sys.modules.get("torch"), "nn", None)
    if nn is None:
        return []
    parts = []
    for name, module in getattr(calculator, "__dict__", {}).items():
        if not isinstance(module, nn.Module):
            continue
        if vars(module).get("_compiled_call_impl") is not None:
            parts.append(Part(name, module, "_compiled_call_impl", "model"))
        elif type(module).__name__ == "OptimizedModule":
            parts.append(Part(name, module, "forward", "model"))
        else:
            parts += [Part(child, held, "forward") for child, held in module.named_children()]
    return parts


def parts_of_neighbour_lists() -> list[Part]:
    """Return the neighbour lists of the loaded libraries."""
    parts = []
    for module_name, class_name, attribute in NEIGHBOUR_CALLABLES:
        owner: Any = sys.modules.get(module_name)
        if owner is not None and class_name:
            owner = getattr(owner, class_name, None)
        if owner is not None and attribute in vars(owner):
            counts = _builds_where_needed if attribute == "update" else _builds_always
            parts.append(Part(NEIGHBOUR_LIST, owner, attribute, "neighbours", counts=counts))
    return parts


def _builds_where_needed(built: Any) -> dict[str, int]:
    """Count a call of ASE's `update`, which returns whether it rebuilt the list."""
    return {LIST_BUILDS: 1} if built is True else {}


def _builds_always(_: Any) -> dict[str, int]:
    return {LIST_BUILDS: 1}
