"""Decide whether a frame was called by the one below it, or interrupted it as a signal handler does.

CPython runs signal handlers where a function or a turn of a loop begins, after a call, and inside C functions
that wait. Where the interrupted instruction cannot call, or could not have called that code, the code was not
called. Nothing here runs code of a user's class.
"""

from __future__ import annotations

import functools
from opcode import opname
from types import (
    FunctionType,
    GeneratorType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
)
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType, TracebackType

DEEPEST_WRAPPER = 10
LONGEST_CHAIN = 3  # attributes in a row: self.run.writer.write
CALLS_NOTHING = ("RESUME", "JUMP", "POP_JUMP")
# Handlers may run after these, or in their C code: waiting for a lock, multiplying large integers.
INTERRUPTIBLE = ("CALL", "PRECALL", "BEFORE_WITH", "SETUP_WITH", "WITH_EXCEPT_START", "BINARY", "INPLACE")


def was_called(outer: TracebackType, inner: FrameType) -> bool:
    """Return whether a frame was called by the frame below it.

    Args:
        outer: The traceback's entry of the frame below.
        inner: The frame.
    """
    name = inner.f_code.co_name
    if outer.tb_lasti < 0:  # Python 3.10, at the start of a function
        return False
    instruction = opname[outer.tb_frame.f_code.co_code[outer.tb_lasti]]
    if instruction.startswith(CALLS_NOTHING):
        return False
    if not instruction.startswith(INTERRUPTIBLE) or name == "<module>":
        return True
    is_special_method = name.startswith("__") and name.endswith("__")
    if is_special_method or name in outer.tb_frame.f_code.co_names:
        return True
    return any(code_of(value) is inner.f_code for value in _callable_from(outer.tb_frame))


def code_of(value: Any) -> CodeType | None:
    """Return the code that a call of a value runs, if it is written in Python."""
    for _ in range(DEEPEST_WRAPPER):
        kind = type(value)
        if kind is FunctionType:
            code: CodeType = value.__code__
            return code
        if kind is GeneratorType:
            return value.gi_code  # type: ignore[no-any-return]
        if kind is functools.partial or issubclass(kind, functools.partial):
            value = value.func
        elif kind in (MethodType, staticmethod, classmethod):
            value = value.__func__
        elif kind is property:
            value = value.fget
        elif "__wrapped__" in _contents(value):
            value = _contents(value)["__wrapped__"]
        else:
            value = next((vars(cls)["__call__"] for cls in kind.__mro__ if "__call__" in vars(cls)), None)
            if value is None:
                return None
    return None


def _callable_from(frame: FrameType) -> Iterator[Any]:
    """Return the objects that code may have called: those it names, and chains of attributes."""
    names = frame.f_code.co_names
    values = [*frame.f_locals.values(), *(frame.f_globals[each] for each in names if each in frame.f_globals)]
    reached = {id(value): value for value in values}
    for _ in range(LONGEST_CHAIN):
        for value in values:
            yield value
            if type(value) in (tuple, list):
                yield from value
        found = {id(each): each for value in values for name in names for each in _attributes(value, name)}
        values = [found[key] for key in found.keys() - reached.keys()]
        reached |= found
    yield from values


def _attributes(value: Any, name: str) -> Iterator[Any]:
    if name in (contents := _contents(value)):
        yield contents[name]
    bases = (
        *type(value).__mro__,
        *(type.__dict__["__mro__"].__get__(value) if isinstance(value, type) else ()),
    )
    for cls in bases:
        found = vars(cls).get(name)
        if type(found) is MemberDescriptorType:  # a slot
            try:
                yield found.__get__(value)
            except (AttributeError, TypeError):
                continue
        elif found is not None:
            yield found


def _contents(value: Any) -> dict[str, Any]:
    """Return an object's own attributes."""
    # No code of the user runs, such as a property `__dict__`, so that nothing has to be caught here: that
    # would drop what a signal handler raises.
    own = (type.__dict__["__dict__"].__get__(cls).get("__dict__") for cls in type(value).__mro__)
    found: Any = next((each for each in own if each is not None), None)
    if type(found) not in (GetSetDescriptorType, MemberDescriptorType):
        return {}
    contents = found.__get__(value)
    return contents if type(contents) in (dict, MappingProxyType) else {}
