"""Distinguishes exceptions that only passed through our code from those that started there.

A signal handler runs between two instructions of whatever code the main thread is in, ours included. If it
raises (a time limit, Ctrl-C), the exception propagates through our frames, and a broad `except` of ours
would swallow an exception that the user's program expects. The same applies to exceptions set by another
thread (PyThreadState_SetAsyncExc) and to trace functions. Such an exception must pass; an error of ours must
not.

One case cannot be distinguished: an exception of a builtin class that is raised by a handler written in C,
or set by another thread. It has no frame and no class of its own, and counts as ours.
"""

from __future__ import annotations

import signal
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from instrumented_calc.interrupted_code import code_of, was_called

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType, TracebackType

PACKAGE = __name__.partition(".")[0]
# Packages that we call, which may raise exceptions of their own classes without a Python frame.
CALLED = frozenset(
    {PACKAGE, "ase", "jax", "jaxlib", "msgspec", "numpy", "psutil", "structlog", "torch"}
    | sys.stdlib_module_names
)
SIGNALS = tuple(signal.valid_signals())  # computing it each time takes longer than checking them


def is_foreign(error: BaseException) -> bool:
    """Return whether a caught exception came from outside: it did not start in our code or its callees.

    Call it in the `except` block that has caught the exception, or in `__exit__`.

    Args:
        error: The exception.

    Returns:
        True for every exception that is not an `Exception`, for those raised by a signal handler or a trace
        function between our instructions, and for an exception of the user's own class raised where no
        user code ran.
    """
    if not isinstance(error, Exception):
        return True
    places = [*_places(error.__traceback__)]
    handlers = _handler_codes()
    for outer, inner in pairwise(places):
        frame, package = inner.tb_frame, _package_of(inner.tb_frame)
        if package != PACKAGE and (frame.f_code in handlers or _is_given(frame, outer.tb_frame)):
            return True
        if (
            _is_called(_package_of(outer.tb_frame))
            and not _is_called(package)
            and not was_called(outer, frame)
        ):
            return True
    innermost = _package_of(places[-1].tb_frame) if places else PACKAGE
    raised_by = _top_level(type(error).__module__)
    return _is_called(innermost) and not _is_called(raised_by) and raised_by != innermost


class own_faults_dropped:  # noqa: N801 - a context manager that reads like a function
    """Drop an error of ours and let foreign exceptions pass, if a measurement is not worth a notice."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Drop an exception that is ours."""
        return error is not None and not is_foreign(error)


def _places(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_given(frame: FrameType, outer: FrameType) -> bool:
    """Return whether a function received the frame that it interrupted, as signal handlers and tracers do.

    This also works for a handler that has uninstalled itself before raising.
    """
    code = frame.f_code
    plain = code.co_argcount + code.co_kwonlyargcount
    names = code.co_varnames[: plain + bool(code.co_flags & 0x04)]  # 0x04: the next one is *args
    for name in names:
        value = frame.f_locals.get(name)
        if value is outer or (type(value) is tuple and any(each is outer for each in value)):
            return True
    return False


def _handler_codes() -> set[CodeType]:
    """Return the code of all installed signal handlers that are written in Python."""
    found = set()
    for number in SIGNALS:
        code = code_of(signal.getsignal(number))
        if code is not None:
            found.add(code)
    return found


def _package_of(frame: FrameType) -> str:
    return _top_level(frame.f_globals.get("__name__"))


def _top_level(module: Any) -> str:
    return module.partition(".")[0] if isinstance(module, str) else ""


def _is_called(package: str) -> bool:
    """Return whether a package is ours, an integration, or one that we call."""
    return package in CALLED or package.startswith(f"{PACKAGE}_")
