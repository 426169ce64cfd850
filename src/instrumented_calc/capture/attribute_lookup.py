"""Look up and bind attributes as Python does, without running code of their object."""

from __future__ import annotations

import sys
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType, WrapperDescriptorType
from typing import Any

from instrumented_calc.foreign import is_foreign

ABSENT: Any = object()


def found_on(cls: type, name: str) -> Any:
    """Return the unbound attribute of a class or its bases; ABSENT if there is none."""
    for base in type.__dict__["__mro__"].__get__(cls):
        namespace = type.__dict__["__dict__"].__get__(base)
        if name in namespace:
            return namespace[name]
    return ABSENT


def bind(found: Any, instance: Any, cls: type) -> Any:
    """Return the result of attribute access for a class attribute: a bound method, a property's value, ...

    Args:
        found: The class attribute.
        instance: The object whose attribute is read, or None for the class itself.
        cls: The class that a class method receives.

    Raises:
        AttributeError: `found` is ABSENT.
    """
    if found is ABSENT:
        message = f"{cls.__name__!r} object has lost this method"
        raise AttributeError(message)
    get = getattr(type(found), "__get__", None)
    return found if get is None else get(found, instance, cls)


def has_ordinary_access(cls: type) -> bool:
    """Return whether a class's objects use the default attribute lookup, without code of their own."""
    return type(found_on(cls, "__getattribute__")) is WrapperDescriptorType


def _has_only_ordinary_access(cls: type) -> bool:
    return has_ordinary_access(cls) and found_on(cls, "__getattr__") is ABSENT


def given(thing: Any, name: str) -> Any:
    """Return an attribute, however the object provides it, or None."""
    try:
        return getattr(thing, name, None)
    except Exception as error:
        if is_foreign(error):
            raise
        return None


def is_plain_function(found: Any) -> bool:
    """Return whether a method is an ordinary function, bound to the object it is called on."""
    return type(found) is FunctionType


def is_data_descriptor(found: Any) -> bool:
    """Return whether a class attribute takes precedence over the object's dictionary."""
    return hasattr(type(found), "__set__") or hasattr(type(found), "__delete__")


def dictionary_of(thing: Any) -> dict[str, Any] | None:
    """Return an object's own dictionary, if it has an ordinary one; a property of that name is not run."""
    found = found_on(type(thing), "__dict__")
    if type(found) is not GetSetDescriptorType:
        return None
    state = found.__get__(thing)
    return state if type(state) is dict else None


def owns_its_dictionary(thing: Any) -> bool:
    """Return whether an object has an ordinary dictionary with no other references to it."""
    unshared = _Unshared()
    usual = sys.getrefcount(dictionary_of(unshared))
    return dictionary_of(thing) is not None and sys.getrefcount(dictionary_of(thing)) <= usual


def keep_attributes_fast(thing: Any) -> None:
    """Prepare an object for having its dictionary read.

    In CPython 3.11 and 3.12, an object whose `__dict__` was read once keeps its attributes in a split
    dictionary, and the interpreter looks each of them up anew at every access: an MD step of EMT made 82 such
    lookups more. A combined dictionary with the same contents does not have this effect.
    """
    if (3, 11) <= sys.version_info < (3, 13) and owns_its_dictionary(thing):
        object.__setattr__(thing, "__dict__", dict(vars(thing)))


def stored(thing: Any, name: str) -> Any:
    """Return a value stored in an object's dictionary or slot, or None, without running its code."""
    found = found_on(type(thing), name)
    if type(found) is MemberDescriptorType:
        try:
            return found.__get__(thing)
        except AttributeError:
            return None
    if is_data_descriptor(found):
        return None
    if (
        found is ABSENT
        and not isinstance(thing, (type, ModuleType))
        and _has_only_ordinary_access(type(thing))
    ):
        # Not from the dictionary, because reading that has a price: see `keep_attributes_fast`. No exception
        # is handled here: it would become the context of one that a signal handler raises at this moment.
        return getattr(thing, name, None)
    state = dictionary_of(thing)
    return None if state is None else state.get(name)


class _Unshared:
    """Class of objects whose dictionary is not shared."""
