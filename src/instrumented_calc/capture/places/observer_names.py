"""The name of an observer as its user would recognise it, found without running the user's code."""

from __future__ import annotations

import functools
import os
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

from instrumented_calc.capture.attribute_lookup import found_on, stored
from instrumented_calc.capture.places.code_origins import USER, origin_of
from instrumented_calc.journal.encoding import valid_text

LONGEST_NAME = 100
DEEPEST_PARTIAL = 10
CALLS, WRITES = "__call__", "write"  # methods for which the object or its file is attached
WRITES_TRAJECTORY = "_traj_write_image"  # the method of ASE's drivers that writes their own trajectory
READERS_NAME = {"TrajectoryWriter": "Trajectory"}  # made by `Trajectory(...)`


class ObserverName(NamedTuple):
    """An observer.

    Attributes:
        name: Its name.
        package: Library it belongs to; empty: the user's own code.
        file: Source file of user code.
        line: First line there.
    """

    name: str
    package: str = USER
    file: str = ""
    line: int = 0


def name_of(function: Any) -> ObserverName:
    """Return the name of an observer.

    Args:
        function: The callable that the driver calls.
    """
    for _ in range(DEEPEST_PARTIAL):
        if type(function) is not functools.partial:
            break
        function = function.func
    if type(function) is MethodType:
        return _method(function)
    if type(function) is FunctionType:
        return _in_code(function.__qualname__, function.__code__)
    if type(function) is BuiltinFunctionType:
        return ObserverName(_short(function.__qualname__), _package(function.__module__ or "builtins"))
    if isinstance(function, type):
        return ObserverName(_short(type.__dict__["__qualname__"].__get__(function)))
    return _object(function, CALLS)


def _method(method: MethodType) -> ObserverName:
    owner, called = method.__self__, method.__func__
    if isinstance(owner, type) or type(called) is not FunctionType:
        return _in_code(getattr(called, "__qualname__", "method"), getattr(called, "__code__", None))
    if called.__name__ == WRITES_TRAJECTORY:
        file = _file_name(stored(owner, "_orig_trajectory") or stored(owner, "trajectory"))
        return ObserverName(f"Trajectory({file})", "ase")
    return _object(owner, called.__name__, called)


def _object(owner: Any, method: str, called: Any = None) -> ObserverName:
    """Return the name of an object whose method is the observer."""
    kind = type(owner)
    called = found_on(kind, method) if called is None else called
    found = _in_code(kind.__qualname__, getattr(called, "__code__", None))
    name = READERS_NAME.get(kind.__name__, kind.__qualname__)
    file = _file_name(owner) if method == WRITES else ""
    if file:
        name = f"{name}({file})"
    elif method != CALLS:
        name = f"{name}.{method}"
    return found._replace(name=_short(name))


def _in_code(name: str, code: Any) -> ObserverName:
    if not isinstance(code, CodeType):
        return ObserverName(_short(name))
    package = origin_of(code.co_filename).package
    if package != USER:
        return ObserverName(_short(name), package)
    return ObserverName(_short(name), USER, valid_text(code.co_filename), code.co_firstlineno)


def _package(module: str) -> str:
    return module.partition(".")[0]


def _file_name(thing: Any) -> str:
    """Return the quoted name of a file, without its folder; of a writer, that of its file."""
    for _ in range(2):
        if isinstance(thing, (str, os.PathLike)):
            return repr(os.path.basename(os.fspath(thing)))  # noqa: PTH119 - may be any string
        thing = stored(thing, "filename")
    return ""


def _short(name: str) -> str:
    # A function inside another one: its user knows the last part.
    return valid_text(name.rpartition("<locals>.")[2][:LONGEST_NAME])
