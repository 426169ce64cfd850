"""For calculators that cannot share their state (slots, C types, subclasses of dict): a delegating proxy.

It sees less than a twin, and its lane says so. Where the instance takes an attribute, `calculate` is
patched there, so that the bare object is recorded too; a bare `copy.copy` of such an object then still runs
the original's `calculate`. Otherwise only what is asked from outside can be timed, cache hits included.
"""

from __future__ import annotations

import functools
import types
import weakref
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.copies import Contents
from instrumented_calc.capture.lanes import Lane
from instrumented_calc.capture.recorded import counted, recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.recorder import Recorder

# What users and ASE ask a calculator from outside, and the property that it stands for.
ASKED = {
    "get_property": None,
    "get_potential_energy": "energy",
    "get_forces": "forces",
    "get_stress": "stress",
}
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
    """Stands in for a calculator; made anew, with the calculator's own dunders, for each class."""

    __slots__ = ("__weakref__", "_lane")

    @property  # type: ignore[misc]  # isinstance() asks for it
    def __class__(self) -> Any:
        """Return the calculator's class."""
        return type(_inner(self))

    def __getattr__(self, name: str) -> Any:
        """Return the calculator's attribute."""
        return getattr(_inner(self), name)

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
        return _empty, (type(_inner(self)),), Contents(_lane_of(self))

    def __setstate__(self, state: Any) -> None:
        """Become the stand-in of a copied calculator, or pass a state on to the calculator."""
        if isinstance(state, Contents):
            adopt(self, *state.unpack("proxy"))
        else:
            _inner(self).__setstate__(state)

    def __del__(self) -> None:
        """Take back what was patched on the calculator."""
        try:
            lane = _lane_of(self)
            patch = vars(lane.calculator).get("calculate")
        except (AttributeError, TypeError):
            return  # nothing could be patched there
        if isinstance(patch, InstancePatch) and patch.lane is lane:
            patch.take_back()


_member: Any = Proxy.__dict__["_lane"]
_lane_of: Callable[[Any], Lane] = _member.__get__
# A proxy has the attributes of its calculator and no other: only the descriptor itself is kept.
del Proxy._lane, Proxy.__slots__  # type: ignore[attr-defined]  # noqa: SLF001 - its own
_classes: weakref.WeakKeyDictionary[type, type] = weakref.WeakKeyDictionary()


class InstancePatch:
    """A recorded `calculate` on one instance; copies and pickles of the instance get the plain one.

    Args:
        lane: The lane of the calculator.

    Attributes:
        lane: Likewise.
        own: A `calculate` that was patched on the instance by others, and is run here.
    """

    def __init__(self, lane: Lane) -> None:
        calculator = lane.calculator
        found = vars(calculator).get("calculate")
        if isinstance(found, InstancePatch):
            found = found.own
        cls = type(calculator)
        plain = types.MethodType(cls.calculate, calculator)
        self.lane = lane
        self.own: Any = None if found == plain else found  # a copy has got the plain one
        own = self.own

        def calculate(_: Any, /, *args: Any, **kwargs: Any) -> Any:
            if own is None:  # looked up late: it may be patched on the class at any time
                return cls.calculate(calculator, *args, **kwargs)
            return own(*args, **kwargs)

        self._method = recorded(calculate, lambda _: lane)
        functools.update_wrapper(self, plain if own is None else own)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run and record."""
        return self._method(self.lane.calculator, *args, **kwargs)

    def __reduce__(self) -> Any:
        """Leave the recording behind."""
        if self.own is not None:
            return _itself, (self.own,)
        return getattr, (self.lane.calculator, "calculate")

    def take_back(self) -> None:
        """Leave the instance as it was."""
        state = vars(self.lane.calculator)
        if self.own is None:
            del state["calculate"]
        else:
            state["calculate"] = self.own


def _itself(thing: Any) -> Any:
    return thing


def proxy(calculator: Any, recorder: Recorder) -> Any:
    """Return a proxy of a calculator, recorded by a run."""
    face = _empty(type(calculator))
    adopt(face, calculator, Lane(recorder, calculator, "proxy"))
    return face


def lane_of(face: Any) -> Lane | None:
    """Return the lane of a proxy, or None for any other object."""
    return _lane_of(face) if issubclass(type(face), Proxy) else None


def adopt(face: Any, calculator: Any, lane: Lane) -> None:
    """Make a proxy stand in for a calculator."""
    _member.__set__(face, lane)
    cls = type(calculator)
    lane.seen_by = "get_property"
    if hasattr(calculator, "__dict__") and hasattr(cls, "calculate"):
        vars(calculator)["calculate"] = InstancePatch(lane)
        lane.seen_by = "instance"


def _inner(face: Any) -> Any:
    return _lane_of(face).calculator


def _empty(cls: type) -> Any:
    made = _classes.get(cls)
    if made is None:
        made = _classes[cls] = _make(cls)
    return object.__new__(made)


def _make(cls: type) -> Any:
    namespace: dict[str, Any] = {"__slots__": (), "__module__": cls.__module__, "__doc__": cls.__doc__}
    for name in DUNDERS:
        # not hasattr(): a class has `__call__` from its own class
        owner = next((base for base in cls.__mro__ if name in vars(base)), object)
        if owner is not object:
            namespace[name] = _delegated(cls, name)
    if cls.__dictoffset__ != 0 and hasattr(cls, "calculate"):  # `adopt` patches the instance
        if hasattr(cls, "get_property"):
            asked = types.SimpleNamespace(get_property=_delegated(cls, "get_property"))
            namespace["get_property"] = counted(asked, _lane_of, lambda _: None)
    else:
        namespace.update({name: _asked(cls, name) for name in ASKED if hasattr(cls, name)})
        if hasattr(cls, "calculate"):
            namespace["calculate"] = recorded(_delegated(cls, "calculate"), _lane_of)
    if hasattr(cls, "evaluate"):
        namespace["evaluate"] = recorded(_delegated(cls, "evaluate"), _lane_of)
    made: Any = type(cls.__name__, (Proxy,), namespace)
    del made.__slots__
    return made


def _delegated(cls: type, name: str) -> Callable[..., Any]:
    @functools.wraps(getattr(cls, name))
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        found = getattr(_inner(self), name)(*args, **kwargs)
        # `with proxy as p` gives the proxy where the calculator gives itself
        return self if found is _inner(self) else found

    return method


def _asked(cls: type, name: str) -> Callable[..., Any]:
    """Return a getter that is recorded as if it were the calculation that it may have caused."""
    delegated = _delegated(cls, name)

    def calculate(self: Any, _: Any, __: Any, ___: Any, /, *args: Any, **kwargs: Any) -> Any:
        return delegated(self, *args, **kwargs)  # the rest is what is recorded

    record = recorded(calculate, _lane_of)

    @functools.wraps(delegated)
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        asked = ASKED[name]
        if asked is None:
            asked = args[0] if args else kwargs.get("name")
            atoms = args[1] if len(args) > 1 else kwargs.get("atoms")
        else:
            atoms = args[0] if args else kwargs.get("atoms")
        return record(self, atoms, [asked], None, *args, **kwargs)

    return method
