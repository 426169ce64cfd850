"""A delegating proxy for calculators that cannot have a twin; it sees less, and its lane records that.

If the instance has a dictionary of its own, `calculate` is patched there, so that the bare object is
recorded too; a bare `copy.copy` of such an object then still runs the original's `calculate`. Otherwise
(slots, C types, shared dictionaries, calculators that delegate everything by `__getattr__`, those without
`calculate`) only requests from outside can be recorded. Cached answers are distinguished from calculations
by the calculator's own `calculation_required`; without it they cannot be distinguished, which the lane also
records.
"""

from __future__ import annotations

import functools
import types
import weakref
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.attribute_lookup import (
    ABSENT,
    dictionary_of,
    found_on,
    has_ordinary_access,
    is_data_descriptor,
    owns_its_dictionary,
    stored,
)
from instrumented_calc.capture.calls.lane import LiveLane
from instrumented_calc.capture.wrapping.copies import Contents
from instrumented_calc.capture.wrapping.counted_answers import counted
from instrumented_calc.capture.wrapping.recorded_method import as_of, recorded, recorded_bound
from instrumented_calc.capture.wrapping.twin import RECORDED, calculates_itself, recorded_names
from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.run.recorder import Recorder

# Methods that users and ASE call on a calculator from outside, and the property each stands for.
ASKED = {
    "get_property": None,
    "get_potential_energy": "energy",
    "get_forces": "forces",
    "get_stress": "stress",
}
DYNAMIC = frozenset({*ASKED, *RECORDED})
# Looked up on the type by the interpreter, never through __getattr__.
DUNDERS = [
    "__bool__",
    "__call__",
    "__contains__",
    "__delitem__",
    "__enter__",
    "__exit__",
    "__getitem__",
    "__iter__",
    "__len__",
    "__setitem__",
    "__str__",
]


class Proxy:
    """Stands in for a calculator; created for each class, with the calculator's own dunders."""

    __slots__ = ("__weakref__", "_lane")

    @property  # type: ignore[misc]  # used by isinstance()
    def __class__(self) -> Any:
        """Return the calculator's class."""
        return type(_inner(self))

    def __getattr__(self, name: str) -> Any:
        """Return the calculator's attribute; requests from outside are recorded."""
        found = getattr(_inner(self), name)
        if name not in DYNAMIC or _lane_of(self).seen_by != "get_property" or not callable(found):
            return found
        if name in RECORDED:
            return recorded_bound(found, self, _lane_of)
        return _asking(self, name, found)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set the calculator's attribute."""
        setattr(_inner(self), name, value)

    def __delattr__(self, name: str) -> None:
        """Delete the calculator's attribute."""
        delattr(_inner(self), name)

    def __dir__(self) -> Any:
        """List the calculator's attributes."""
        return dir(_inner(self))

    def __repr__(self) -> str:
        """Show the calculator."""
        return repr(_inner(self))

    def __eq__(self, other: object) -> Any:
        """Compare the calculators."""
        lane = lane_of(other)
        return _inner(self) == (other if lane is None else lane.calculator)

    def __hash__(self) -> int:
        """Hash the calculator."""
        return hash(_inner(self))

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copy or pickle the calculator with its place in the run."""
        patched = _lane_of(self).seen_by == "instance"
        return _empty, (type(_inner(self)), patched), Contents(_lane_of(self))

    def __setstate__(self, state: Any) -> None:
        """Become the stand-in of a copied calculator, or pass a state to the calculator."""
        if isinstance(state, Contents):
            adopt(self, *state.unpack("proxy"))
        else:
            _inner(self).__setstate__(state)

    def __del__(self) -> None:
        """Undo the patches on the calculator."""
        try:
            lane = _lane_of(self)
            patch = stored(lane.calculator, "calculate")
        except (AttributeError, TypeError):
            return  # nothing could be patched
        if isinstance(patch, InstancePatch) and patch.lane is lane:
            patch.take_back()


_member: Any = Proxy.__dict__["_lane"]
_lane_of: Callable[[Any], LiveLane] = _member.__get__
# A proxy has only the attributes of its calculator, so only the descriptor itself is kept.
del Proxy._lane, Proxy.__slots__  # type: ignore[attr-defined]  # noqa: SLF001 - its own
# Keyed by the id of the calculator's class: its metaclass may define equality, or have no hash.
_classes: dict[tuple[int, bool], tuple[weakref.ref[type], Any]] = {}


class InstancePatch:
    """A recorded `calculate` on one instance; copies and pickles of the instance get the plain one.

    Args:
        lane: The lane of the calculator.

    Attributes:
        lane: The lane of the calculator.
        own: A `calculate` that others patched on the instance, and that is run here.
    """

    def __init__(self, lane: LiveLane) -> None:
        calculator = lane.calculator
        found = vars(calculator).get("calculate")
        if type(found) is InstancePatch:
            found = found.own
        cls = type(calculator)
        plain = as_of(cls, "calculate", calculator)
        copied = type(found) is types.MethodType and found == plain  # a copy gets the plain one
        self.lane = lane
        self.own: Any = None if copied else found
        own = self.own

        def calculate(_: Any, /, *args: Any, **kwargs: Any) -> Any:
            if own is None:  # looked up per call: it may be patched on the class at any time
                return as_of(cls, "calculate", calculator)(*args, **kwargs)
            return own(*args, **kwargs)

        self._method = recorded(calculate, lambda _: lane)
        functools.update_wrapper(self, plain if own is None else own, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run and record."""
        return self._method(self.lane.calculator, *args, **kwargs)

    def __reduce__(self) -> Any:
        """Drop the recording."""
        if self.own is not None:
            return _itself, (self.own,)
        return getattr, (self.lane.calculator, "calculate")

    def take_back(self) -> None:
        """Restore the instance."""
        state = vars(self.lane.calculator)
        if self.own is None:
            del state["calculate"]
        else:
            state["calculate"] = self.own


def _itself(thing: Any) -> Any:
    return thing


def proxy(calculator: Any, recorder: Recorder) -> Any:
    """Return a proxy of a calculator, recorded by a run."""
    face = object.__new__(_class_for(type(calculator), patched=_can_be_patched(calculator)))
    adopt(face, calculator, LiveLane(recorder, calculator, "proxy"))
    return face


def lane_of(face: Any) -> LiveLane | None:
    """Return the lane of a proxy, or None for any other object."""
    return _lane_of(face) if issubclass(type(face), Proxy) else None


def adopt(face: Any, calculator: Any, lane: LiveLane) -> None:
    """Make a proxy stand in for a calculator."""
    _member.__set__(face, lane)
    if type(face) is _class_for(type(calculator), patched=True):
        vars(calculator)["calculate"] = InstancePatch(lane)
        lane.seen_by = "instance"
    else:
        lane.seen_by = "get_property"
        lane.cache_hits_known = found_on(type(calculator), "calculation_required") is not ABSENT


def _inner(face: Any) -> Any:
    return _lane_of(face).calculator


def _can_be_patched(calculator: Any) -> bool:
    """Return whether the calculator itself will run a `calculate` in the instance's dictionary."""
    cls = type(calculator)
    known = dictionary_of(calculator)
    patched_already = known is not None and type(known.get("calculate")) is InstancePatch
    del known
    calculate = found_on(cls, "calculate")
    return (
        calculate is not ABSENT
        and not is_data_descriptor(calculate)
        and has_ordinary_access(cls)
        and calculates_itself(calculator)
        and (patched_already or owns_its_dictionary(calculator))
    )


def _empty(cls: type, patched: bool) -> Any:
    return object.__new__(_class_for(cls, patched=patched))


def _class_for(cls: type, *, patched: bool) -> Any:
    key = id(cls), patched
    known = _classes.get(key)
    if known is None or known[0]() is not cls:
        known = _classes[key] = (
            weakref.ref(cls, lambda _: _classes.pop(key, None)),
            _make(cls, patched=patched),
        )
    return known[1]


def _make(cls: type, *, patched: bool) -> Any:
    namespace: dict[str, Any] = {"__slots__": (), "__module__": cls.__module__, "__doc__": cls.__doc__}
    for name in DUNDERS:
        # not hasattr(): a class has `__call__` from its own class
        owner = next((base for base in cls.__mro__ if name in vars(base)), object)
        if owner is not object:
            namespace[name] = _delegated(cls, name)
    if patched:  # `adopt` patches the instance
        if found_on(cls, "get_property") is not ABSENT:
            asked = types.SimpleNamespace(get_property=_delegated(cls, "get_property"))
            namespace["get_property"] = counted(asked, _lane_of, lambda _: None)
        if "evaluate" in recorded_names(cls) and found_on(cls, "evaluate") is not ABSENT:
            namespace["evaluate"] = recorded(_delegated(cls, "evaluate"), _lane_of)
    made: Any = type(cls.__name__, (Proxy,), namespace)
    del made.__slots__
    return made


def _delegated(cls: type, name: str) -> Callable[..., Any]:
    @functools.wraps(getattr(cls, name))
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        found = getattr(_inner(self), name)(*args, **kwargs)
        # `with proxy as p` gives the proxy if the calculator gives itself
        return self if found is _inner(self) else found

    return method


def _asking(face: Any, name: str, found: Callable[..., Any]) -> Callable[..., Any]:
    def ask(*args: Any, **kwargs: Any) -> Any:
        return _ask(face, name, found, args, kwargs)

    return functools.update_wrapper(ask, found, updated=())


def _ask(
    face: Any, name: str, found: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run a request from outside, recorded as if it were the calculation that it causes."""
    lane = _lane_of(face)
    prop = ASKED[name]
    if prop is None:
        prop = args[0] if args else kwargs.get("name")
        atoms = args[1] if len(args) > 1 else kwargs.get("atoms")
    else:
        atoms = args[0] if args else kwargs.get("atoms")
    lane.asked += 1
    if lane.cache_hits_known and not _is_required(lane.calculator, atoms, prop):
        lane.cache_hits += 1
        return found(*args, **kwargs)

    def calculate(_: Any, __: Any, ___: Any, ____: Any, /) -> Any:
        return found(*args, **kwargs)

    return recorded(calculate, _lane_of)(face, atoms, [prop], None)


def _is_required(calculator: Any, atoms: Any, prop: Any) -> bool:
    """Ask the calculator whether it would have to calculate; assume so if it cannot answer."""
    try:
        required = as_of(type(calculator), "calculation_required", calculator)(atoms, [prop])
    except Exception as error:
        if is_foreign(error):
            raise
        return True
    return required is not False and required != 0
