"""Wrap a calculator in its twin: a second object with the same state whose `calculate` is recorded.

The twin's class is created from the calculator's class, and both objects share one *combined* `__dict__`, so
that attributes, caching, results and everything ASE does with a calculator are those of the bare one.
(Sharing the original, split dictionary would cost 3-4 % of a cheap calculator's time and, on CPython 3.13,
let the garbage collector clear live attributes: python/cpython#130327.) The bare object is not instrumented.
A calculator that cannot share its state gets a proxy, see `proxy`.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from instrumented_calc.capture.attribute_lookup import (
    ABSENT,
    bind,
    found_on,
    given,
    has_ordinary_access,
    is_data_descriptor,
    is_plain_function,
    owns_its_dictionary,
)
from instrumented_calc.capture.calls.lane import LiveLane
from instrumented_calc.capture.parts.stand_ins import StandIn
from instrumented_calc.capture.wrapping.copies import Contents
from instrumented_calc.capture.wrapping.counted_answers import answered, counted
from instrumented_calc.capture.wrapping.recorded_method import recorded_bound, recorded_method

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import GetSetDescriptorType

    from instrumented_calc.capture.run.recorder import Recorder


class _Plain:
    """Has the layout of an object whose whole state is its `__dict__`."""


class Twin:
    """First base of every twin's class; its one slot holds the lane."""

    __slots__ = ("_lane",)

    def __init_subclass__(cls, **options: Any) -> None:
        """Do not run the calculator's own hook for a class that its user did not define."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copy or pickle the calculator with its place in the run.

        The calculator is part of the state, not of the arguments: it may refer back to its twin.
        """
        return _empty, (self.__class__,), Contents(_lane_of(self))

    def __setstate__(self, state: Any) -> None:
        """Become the twin of a copied calculator, or pass a state to the calculator's own method."""
        if isinstance(state, Contents):
            _adopt(self, *state.unpack("twin"))
            return
        calculator = _lane_of(self).calculator
        calculator.__setstate__(state)
        object.__setattr__(self, "__dict__", vars(calculator))


_slot: Any = Twin.__dict__["_lane"]
_lane_of: Callable[[Any], LiveLane] = _slot.__get__
# A twin has only the attributes of its calculator, so only the descriptor itself is kept.
del Twin._lane, Twin.__slots__  # type: ignore[attr-defined]  # noqa: SLF001 - its own

# The twin of each calculator that has one. A twin's lane references its calculator, so the ids stay valid.
_twins: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
# Keyed by the id of the calculator's class: its metaclass may define equality, or have no hash. A twin's
# class references the calculator's, so the ids stay valid. There are two classes for each: methods found in
# the instance's dictionary need a descriptor, which costs 0.1 us per call.
_classes: weakref.WeakValueDictionary[tuple[int, bool], type] = weakref.WeakValueDictionary()
RECORDED = ("calculate", "evaluate")
ASKED = ("get_property", "get_potential_energy", "get_forces")
GETTERS = ("get_potential_energy", "get_forces", "get_stress")
MAKES_CLASSES = ("__new__", "__init__", "__prepare__", "__setattr__", "__getattribute__", "mro")
_set_class: Callable[[Any, type], None] = object.__dict__["__class__"].__set__


def can_be_twinned(calculator: Any) -> bool:
    """Return whether a twin of a calculator behaves exactly like it, and sees its calculations.

    All of its state must be in a dictionary of its own: no slots, no C layout, no dictionary shared with
    other objects. Its class must define the method that calculates (not `__getattr__` on another object),
    use ordinary attribute access, and have a metaclass that does nothing when a class is created.
    """
    cls = type(calculator)
    return (
        cls.__basicsize__ <= _Plain.__basicsize__
        and cls.__itemsize__ == 0
        and _makes_plain_classes(type(cls))
        and has_ordinary_access(cls)
        and calculates_itself(calculator)
        and (twin_of(calculator) is not None or owns_its_dictionary(calculator))
    )


def _makes_plain_classes(metaclass: type) -> bool:
    """Return whether a metaclass does nothing of its own when a class is created."""
    own = [base for base in metaclass.__mro__ if base.__module__ not in ("builtins", "abc", "typing")]
    return not any(name in vars(base) for base in own for name in MAKES_CLASSES)


def is_calculator(thing: Any) -> bool:
    """Return whether an object has `calculate`, `evaluate` or the methods of compiled calculators."""
    if any(callable(given(thing, name)) for name in RECORDED):
        return True
    asked = any(callable(given(thing, name)) for name in ASKED)
    return asked and given(thing, "get_positions") is None  # Atoms has getters of the same names


def recorded_names(cls: type) -> tuple[str, ...]:
    """Return the methods that calculate: `evaluate` is one in ASE 4, which has no `calculate`."""
    return RECORDED[:1] if found_on(cls, "calculate") is not ABSENT else RECORDED


def calculates_itself(calculator: Any) -> bool:
    """Return whether the calculator's own class calculates, so that no request bypasses it."""
    cls = type(calculator)
    if all(found_on(cls, name) is ABSENT for name in RECORDED):
        return False
    if found_on(cls, "__getattr__") is ABSENT:
        return True
    return all(found_on(cls, name) is not ABSENT or given(calculator, name) is None for name in ASKED)


def twin(calculator: Any, recorder: Recorder) -> Any:
    """Return a new twin of a calculator, recorded by a run."""
    face = _empty(type(calculator))
    _adopt(face, calculator, LiveLane(recorder, calculator, "twin"))
    return face


def twin_of(calculator: Any) -> Any | None:
    """Return a living twin of a bare calculator, or None."""
    return _twins.get(id(calculator))


def lane_of(face: Any) -> LiveLane | None:
    """Return the lane of a twin, or None for any other object."""
    return _lane_of(face) if issubclass(type(face), Twin) else None


def _empty(cls: type) -> Any:
    return object.__new__(_class_for(cls, patched=False))


def _adopt(face: Any, calculator: Any, lane: LiveLane) -> None:
    if twin_of(calculator) is None:
        object.__setattr__(calculator, "__dict__", dict(vars(calculator)))
    state = vars(calculator)
    _slot.__set__(face, lane)
    object.__setattr__(face, "__dict__", state)
    _twins[id(calculator)] = face
    if any(name in state for name in RECORDED):
        _set_class(face, _class_for(type(calculator), patched=True))


def _class_for(cls: type, *, patched: bool) -> type:
    made = _classes.get((id(cls), patched))
    if made is None:
        made = _classes[id(cls), patched] = _make_class(cls, patched=patched)
    return made


def _make_class(cls: type, *, patched: bool) -> type:
    namespace = _namespace(cls) | _recorded_methods(cls, patched=patched)
    return type(cls)(cls.__name__, (Twin, cls), namespace)


def _recorded_methods(cls: type, *, patched: bool) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    for name in recorded_names(cls):
        found = found_on(cls, name)
        if is_plain_function(found) and not patched:
            namespace[name] = recorded_method(cls, name, _lane_of)
        elif found is not ABSENT:
            namespace[name] = RecordedAttribute(cls, name)
    if is_plain_function(found_on(cls, "get_property")):
        namespace["get_property"] = counted(cls, _lane_of, _notice_patch)
    for name in GETTERS:
        found = found_on(cls, name)
        if is_plain_function(found) and not found.__module__.startswith("ase."):
            namespace[name] = answered(cls, name, _lane_of)
    return namespace


def _namespace(cls: type) -> dict[str, Any]:
    """Return the attributes that make a twin look like its calculator."""
    namespace: dict[str, Any] = {
        "__doc__": cls.__doc__,
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__dict__": _SharedDictionary(found_on(cls, "__dict__")),
        # type(twin)(...) creates a plain calculator, as twin.__class__(...) does
        "__new__": lambda _, /, *args, **kwargs: cls(*args, **kwargs),  # noqa: PLW0108 - drops the twin's class
    }
    if found_on(cls, "__class__") is found_on(object, "__class__"):
        namespace["__class__"] = property(lambda _: cls, _change_class)
    if _inherits(cls, "__eq__"):
        namespace["__eq__"] = lambda self, other: _bare(self) is _bare(other) or NotImplemented
        namespace["__hash__"] = lambda self: hash(_bare(self))
    if _inherits(cls, "__repr__"):
        namespace["__repr__"] = lambda self: repr(_bare(self))
    if hasattr(cls, "__del__"):
        namespace["__del__"] = lambda _: None  # runs once, on the calculator itself
    for name in ("__copy__", "__deepcopy__"):
        if hasattr(cls, name):
            namespace[name] = _copying(name)
    return namespace


def _inherits(cls: type, name: str) -> bool:
    """Return whether a class inherits a method unchanged from `object`."""
    return found_on(cls, name) is found_on(object, name)


def _change_class(face: Any, cls: type) -> None:
    """Change the class of calculator and twin, as an assignment to `__class__` does."""
    calculator = _lane_of(face).calculator
    _set_class(calculator, cls)
    _set_class(face, _class_for(cls, patched=any(name in vars(calculator) for name in RECORDED)))


def _notice_patch(face: Any) -> None:
    """Keep recording a `calculate` that was patched on the instance after wrapping."""
    _set_class(face, _class_for(type(_lane_of(face).calculator), patched=True))


class _SharedDictionary:
    """The `__dict__` of a twin: a new dictionary assigned to it is also assigned to the calculator.

    Args:
        plain: The descriptor of `__dict__` in the calculator's class.
    """

    def __init__(self, plain: GetSetDescriptorType) -> None:
        self._plain: Any = plain

    def __get__(self, face: Any, owner: type | None = None) -> Any:
        """Return the shared dictionary."""
        return self._plain.__get__(face, owner)

    def __set__(self, face: Any, state: Any) -> None:
        """Replace the dictionary of both."""
        self._plain.__set__(face, state)
        lane = _lane_of(face)
        self._plain.__set__(lane.calculator, state)
        lane.held = vars(lane.calculator)

    def __delete__(self, face: Any) -> None:
        """Start with an empty dictionary, as Python does."""
        self.__set__(face, {})


class RecordedAttribute:
    """A recorded method, whether it comes from the instance's dictionary or from an unusual class attribute.

    It runs the same attribute of the bare calculator, bound to the twin if it is bound at all: a static
    method, a class method, a partial, a property's value, a callable object, ... As a data descriptor it
    takes precedence over the instance's dictionary, and runs the callable found there.

    Args:
        cls: The calculator's class.
        name: `calculate` or `evaluate`.
    """

    def __init__(self, cls: type, name: str) -> None:
        self._cls = cls
        self._name = name
        found = found_on(cls, name)
        self._method = recorded_method(cls, name, _lane_of) if is_plain_function(found) else None

    def __get__(self, face: Any, owner: type | None = None) -> Any:
        """Return the recorded method, bound."""
        found = found_on(self._cls, self._name)
        if face is None:
            return bind(found, None, self._cls) if self._method is None else self._method
        patch = ABSENT if is_data_descriptor(found) else _patch(face, self._name)
        if patch is not ABSENT:
            return recorded_bound(patch, face, _lane_of) if callable(patch) else patch
        if self._method is not None:
            return self._method.__get__(face, owner)
        call = bind(found, face, self._cls)
        return recorded_bound(call, face, _lane_of) if callable(call) else call

    def __set__(self, face: Any, value: Any) -> None:
        """Patch the instance, for both calculator and twin."""
        found = found_on(self._cls, self._name)
        if is_data_descriptor(found):
            type(found).__set__(found, face, value)
        else:
            face.__dict__[self._name] = value

    def __delete__(self, face: Any) -> None:
        """Undo the patch."""
        found = found_on(self._cls, self._name)
        if is_data_descriptor(found):
            type(found).__delete__(found, face)
            return
        try:
            del face.__dict__[self._name]
        except KeyError:
            raise AttributeError(self._name) from None


def _patch(face: Any, name: str) -> Any:
    """Return what the user stored on the instance, or ABSENT; a stand-in for a term's method is ours."""
    patch = face.__dict__.get(name, ABSENT)
    if issubclass(type(patch), StandIn):
        patch = ABSENT if patch.replaced is UNSET else patch.replaced
    return patch


def _copying(name: str) -> Callable[..., Any]:
    """Return the calculator's own `__copy__` or `__deepcopy__`, returning a twin of the copy."""

    def method(self: Any, *memo: Any) -> Any:
        lane = _lane_of(self)
        face = _empty(type(lane.calculator))
        for copied in memo:  # the calculator may refer back to its twin
            copied[id(self)] = face
        calculator = getattr(lane.calculator, name)(*memo)
        if type(calculator) is not type(lane.calculator):
            face = _empty(type(calculator))
        _adopt(face, calculator, LiveLane(lane.recorder, calculator, "twin", lane.number))
        return face

    return method


def _bare(other: Any) -> Any:
    lane = lane_of(other)
    return other if lane is None else lane.calculator
