"""Finds and binds attributes as Python does, without running code of their object."""

from __future__ import annotations

from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, WrapperDescriptorType
from typing import Any

from instrumented_calc.foreign import is_foreign

ABSENT: Any = object()


def found_on(cls: type, name: str) -> Any:
    """Return what a class or its bases have under a name, unbound; ABSENT if nothing."""
    for base in type.__dict__["__mro__"].__get__(cls):
        namespace = type.__dict__["__dict__"].__get__(base)
        if name in namespace:
            return namespace[name]
    return ABSENT


def bind(found: Any, instance: Any, cls: type) -> Any:
    """Return what attribute access gives for what a class has: a bound method, a property's value, ...

    Args:
        found: What the class has.
        instance: The object that the attribute is asked of, or None for the class itself.
        cls: The object's class, as it is to appear to a class method.

    Raises:
        AttributeError: `found` is ABSENT.
    """
    if found is ABSENT:
        message = f"{cls.__name__!r} object has lost this method"
        raise AttributeError(message)
    get = getattr(type(found), "__get__", None)
    return found if get is None else get(found, instance, cls)


def has_ordinary_access(cls: type) -> bool:
    """Tell whether attributes of a class's objects are looked up as of any object, not by code of its own."""
    return type(found_on(cls, "__getattribute__")) is WrapperDescriptorType


def given(thing: Any, name: str) -> Any:
    """Return an attribute, however the object gives it, or None if it gives none."""
    try:
        return getattr(thing, name, None)
    except Exception as error:
        if is_foreign(error):
            raise
        return None


def is_plain_function(found: Any) -> bool:
    """Tell whether a method is an ordinary function, bound to the object that it is called on."""
    return type(found) is FunctionType


def is_data_descriptor(found: Any) -> bool:
    """Tell whether an attribute of a class wins over the object's dictionary."""
    return hasattr(type(found), "__set__") or hasattr(type(found), "__delete__")


def dictionary_of(thing: Any) -> dict[str, Any] | None:
    """Return an object's own dictionary, if it has an ordinary one; a property of that name is not run."""
    found = found_on(type(thing), "__dict__")
    if type(found) is not GetSetDescriptorType:
        return None
    state = found.__get__(thing)
    return state if type(state) is dict else None


def stored(thing: Any, name: str) -> Any:
    """Return a value that an object holds in its dictionary or in a slot, or None; no code of it is run."""
    found = found_on(type(thing), name)
    if type(found) is MemberDescriptorType:
        try:
            return found.__get__(thing)
        except AttributeError:
            return None
    state = dictionary_of(thing)
    return None if state is None or is_data_descriptor(found) else state.get(name)
