"""Wraps a calculator in its twin: a second object with the same state whose `calculate` is recorded.

The twin's class is made on the fly from the calculator's, and both objects share one *combined* `__dict__`,
so that attributes, caching, results and all that ASE does with a calculator are those of the bare one.
(Sharing the original, split dictionary would cost 3-4 % of a cheap calculator's time and, on CPython 3.13,
let the garbage collector clear live attributes: python/cpython#130327.) The bare object stays
un-instrumented. What cannot share its state gets a proxy, see `proxy`.
"""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.copies import Contents
from instrumented_calc.capture.lanes import Lane
from instrumented_calc.capture.recorded import counted, recorded, recorded_method

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.recorder import Recorder


class _Plain:
    """Has the layout of an object whose whole state is its `__dict__`."""


class Twin:
    """First among the bases of every twin's class; its one slot holds the lane."""

    __slots__ = ("_lane",)

    def __init_subclass__(cls, **options: Any) -> None:
        """Keep the calculator's own hook from running for a class that is not its user's."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copy or pickle the calculator with its place in the run.

        The calculator is part of the state, not of the arguments: it may refer back to its twin.
        """
        return _empty, (self.__class__,), Contents(_lane_of(self))

    def __setstate__(self, state: Any) -> None:
        """Become the twin of a copied calculator, or pass a state on to the calculator's own method."""
        if isinstance(state, Contents):
            _adopt(self, *state.unpack("twin"))
            return
        calculator = _lane_of(self).calculator
        calculator.__setstate__(state)
        object.__setattr__(self, "__dict__", vars(calculator))


_slot: Any = Twin.__dict__["_lane"]
_lane_of: Callable[[Any], Lane] = _slot.__get__
# A twin has the attributes of its calculator and no other: only the descriptor itself is kept.
del Twin._lane, Twin.__slots__  # type: ignore[attr-defined]  # noqa: SLF001 - its own

# The twin of each calculator that has one. A twin's lane holds its calculator, so the ids stay true.
_twins: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
# Weak in both directions, since a twin's class holds the calculator's. Two classes for each: methods found in
# the instance's dictionary need a descriptor, which costs each call 0.1 us.
_classes: weakref.WeakKeyDictionary[type, weakref.ref[type]] = weakref.WeakKeyDictionary()
_classes_if_patched: weakref.WeakKeyDictionary[type, weakref.ref[type]] = weakref.WeakKeyDictionary()
RECORDED = ("calculate", "evaluate")
_set_class: Callable[[Any, type], None] = object.__dict__["__class__"].__set__


def can_be_twinned(calculator: Any) -> bool:
    """Tell whether all of an object's state is in its `__dict__`: no slots, no C layout."""
    cls = type(calculator)
    return (
        cls.__basicsize__ <= _Plain.__basicsize__
        and cls.__itemsize__ == 0
        and type(getattr(calculator, "__dict__", None)) is dict
    )


def twin(calculator: Any, recorder: Recorder) -> Any:
    """Return a new twin of a calculator, recorded by a run."""
    face = _empty(type(calculator))
    _adopt(face, calculator, Lane(recorder, calculator, "twin"))
    return face


def twin_of(calculator: Any) -> Any | None:
    """Return a living twin of a bare calculator, or None."""
    return _twins.get(id(calculator))


def lane_of(face: Any) -> Lane | None:
    """Return the lane of a twin, or None for any other object."""
    return _lane_of(face) if issubclass(type(face), Twin) else None


def _empty(cls: type) -> Any:
    return object.__new__(_class_for(cls, patched=False))


def _adopt(face: Any, calculator: Any, lane: Lane) -> None:
    if twin_of(calculator) is None:
        object.__setattr__(calculator, "__dict__", dict(vars(calculator)))
    state = vars(calculator)
    object.__setattr__(face, "__dict__", state)
    _slot.__set__(face, lane)
    _twins[id(calculator)] = face
    if any(name in state for name in RECORDED):
        _set_class(face, _class_for(type(calculator), patched=True))


def _class_for(cls: type, *, patched: bool) -> type:
    classes = _classes_if_patched if patched else _classes
    reference = classes.get(cls)
    made = None if reference is None else reference()
    if made is None:
        made = _make_class(cls, patched=patched)
        classes[cls] = weakref.ref(made)
    return made


def _make_class(cls: type, *, patched: bool) -> type:
    namespace: dict[str, Any] = {
        "__doc__": cls.__doc__,
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__class__": property(lambda _: cls),
        # type(twin)(...) builds a plain calculator, as twin.__class__(...) does
        "__new__": lambda _, /, *args, **kwargs: cls(*args, **kwargs),  # noqa: PLW0108 - drops the twin's class
    }
    for name in RECORDED:
        if hasattr(cls, name):
            method = recorded_method(cls, name, _lane_of)
            namespace[name] = PatchedMethod(name, method) if patched else method
    if hasattr(cls, "get_property"):
        namespace["get_property"] = counted(cls, _lane_of, _notice_patch)
    if _inherits(cls, "__eq__"):
        namespace["__eq__"] = lambda self, other: _bare(self) is _bare(other) or NotImplemented
        namespace["__hash__"] = lambda self: hash(_bare(self))
    if _inherits(cls, "__repr__"):
        namespace["__repr__"] = lambda self: repr(_bare(self))
    if hasattr(cls, "__del__"):
        namespace["__del__"] = lambda _: None  # runs once, with the calculator itself
    for name in ("__copy__", "__deepcopy__"):
        if hasattr(cls, name):
            namespace[name] = _copying(name)
    return type(cls)(cls.__name__, (Twin, cls), namespace)


def _inherits(cls: type, name: str) -> bool:
    """Tell whether a class has left a method as `object` has it."""
    return getattr(cls, name) is getattr(object, name)


def _notice_patch(face: Any) -> None:
    """Keep a `calculate` recorded that was patched on the instance after wrapping."""
    _set_class(face, _class_for(type(_lane_of(face).calculator), patched=True))


class PatchedMethod:
    """A method that stays recorded where it is patched on the instance.

    As a data descriptor it wins over the instance's dictionary, and runs what it finds there.

    Args:
        name: `calculate` or `evaluate`.
        method: The recorded method of the class, for when the patch is taken back.
    """

    def __init__(self, name: str, method: Callable[..., Any]) -> None:
        self._name = name
        self._method = method

    def __get__(self, face: Any, owner: type | None = None) -> Any:
        """Return the recorded method, bound."""
        patch = None if face is None else face.__dict__.get(self._name)
        if patch is None:
            return self._method.__get__(face, owner)

        @functools.wraps(patch)
        def unbound(_: Any, /, *args: Any, **kwargs: Any) -> Any:
            return patch(*args, **kwargs)

        return functools.partial(recorded(unbound, _lane_of), face)

    def __set__(self, face: Any, value: Any) -> None:
        """Patch the instance: both faces see it."""
        face.__dict__[self._name] = value

    def __delete__(self, face: Any) -> None:
        """Undo the patch."""
        try:
            del face.__dict__[self._name]
        except KeyError:
            raise AttributeError(self._name) from None


def _copying(name: str) -> Callable[..., Any]:
    """Return the calculator's own `__copy__` or `__deepcopy__`, giving a twin of the copy."""

    def method(self: Any, *memo: Any) -> Any:
        lane = _lane_of(self)
        face = _empty(type(lane.calculator))
        for copied in memo:  # the calculator may refer back to its twin
            copied[id(self)] = face
        calculator = getattr(lane.calculator, name)(*memo)
        if type(calculator) is not type(lane.calculator):
            face = _empty(type(calculator))
        _adopt(face, calculator, Lane(lane.recorder, calculator, "twin", lane.number))
        return face

    return method


def _bare(other: Any) -> Any:
    lane = lane_of(other)
    return other if lane is None else lane.calculator
