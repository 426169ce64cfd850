"""Replace the code of a function for all users of the function, whenever they imported it.

The function stays the same object; its `__code__` is replaced. Objects needed by the new code become its
constants, never globals of the function: globals could not be removed while another thread is about to use
them.
"""

from __future__ import annotations

import threading
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_lock = threading.RLock()


class CodeSwap:
    """New code for one function, in place while it has users.

    Args:
        function: The function; its defaults stay.
        body: A function without a closure, with the same parameters. Its string constants that start with
            `@` are placeholders for `constants`, and must match these exactly.
        constants: Objects needed by the body, by name. `original` is added: a function that runs the old
            code.

    Raises:
        TypeError: The function's parameters differ from the body's.
    """

    def __init__(self, function: Any, body: Callable[..., Any], constants: Mapping[str, Any]) -> None:
        old, new = function.__code__, body.__code__
        if _parameters(old) != _parameters(new) or old.co_freevars:
            message = f"{function.__module__}.{function.__name__} has unexpected parameters"
            raise TypeError(message)
        original = types.FunctionType(old, function.__globals__, function.__name__, function.__defaults__)
        original.__kwdefaults__ = function.__kwdefaults__
        given = {"original": original, **constants}
        self._function = function
        self._old = old
        self._new = new.replace(
            co_consts=tuple(
                given[const[1:]] if isinstance(const, str) and const.startswith("@") else const
                for const in new.co_consts
            ),
            co_name=old.co_name,
        )
        self._users = 0

    def use(self) -> None:
        """Install the new code, if this is its first user."""
        with _lock:
            if not self._users:
                self._function.__code__ = self._new
            self._users += 1

    def release(self) -> None:
        """Restore the old code, if this was its last user and it was not replaced by others since."""
        with _lock:
            self._users -= 1
            if not self._users and self._function.__code__ is self._new:
                self._function.__code__ = self._old


def _parameters(code: types.CodeType) -> tuple[Any, ...]:
    count = code.co_argcount + code.co_kwonlyargcount
    flags = code.co_flags & 0x0C  # *args, **kwargs
    return code.co_argcount, code.co_posonlyargcount, code.co_varnames[:count], flags
