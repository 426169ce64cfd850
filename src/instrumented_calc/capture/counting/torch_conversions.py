"""Counts conversions between NumPy and torch, casts, and copies to and from devices, in recorded calls.

torch's methods are replaced on its class during a run, and outside calls only do one extra test. Overrides
of subclasses and modes receive torch's own function, as always. torch.compile must not trace the
replacements: they are removed while it compiles, and it runs them unmodified where it meets their frames. It
guards functions of the module `torch` itself (from_numpy, as_tensor, tensor) by identity, so they are
replaced only until it compiles for the first time; functions imported from torch earlier are not counted.
"""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.counting.conversions import (
    note_copy,
    note_from_numpy,
    note_sync,
    note_to_numpy,
    note_wait,
)
from instrumented_calc.capture.counting.torch_einsum import leave_alone, loaded_torch
from instrumented_calc.capture.dynamo import DYNAMO, callbacks, has_compiled
from instrumented_calc.capture.open_calls import active

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.capture.interfaces import CountingMaker
    from instrumented_calc.capture.open_calls import Entry

COPIES = ("to", "cpu", "cuda", "float", "double", "half")
SYNCS = ("item", "tolist", "__float__", "__int__", "__bool__")
FUNCTIONS = ("from_numpy", "as_tensor", "tensor")
WAIT = "_cuda_synchronize"

_lock = threading.RLock()
_replaced: Replaced | None = None


class TorchConversionsProbe:
    """Counts conversions during a run, once torch is loaded.

    Args:
        maker: The run's row maker; it records which functions cannot be counted.
    """

    def __init__(self, maker: CountingMaker) -> None:
        self._unseen = maker.signatures.unseen
        self._replaced: Replaced | None = None
        self._closed = False
        self.look()

    def look(self) -> None:
        """Start counting if torch is now loaded, and make way for torch.compile."""
        global _replaced  # noqa: PLW0603 - torch is global, too
        with _lock:
            if self._closed:
                return
            if self._replaced is None:
                torch = loaded_torch()
                if torch is None:
                    return
                self._closed = True  # even if it fails: try only once
                _replaced = _replaced or Replaced(torch)
                _replaced.use(self._unseen)
                self._replaced, self._closed = _replaced, False
            else:
                self._replaced.give_way()

    def close(self) -> None:
        """Stop counting; the last user restores torch."""
        with _lock:
            self._closed = True
            replaced, self._replaced = self._replaced, None
            if replaced is not None:
                replaced.release(self._unseen)


class Replaced:
    """Replacements of torch's functions, installed while they have users.

    Args:
        torch: The module.

    """

    def __init__(self, torch: Any) -> None:
        self._torch = torch
        # Of each user, the names of the functions that were not counted all the time.
        self._users: list[set[str]] = []
        # Created once and kept: a program may import them from torch, permanently, while they are installed.
        self._methods: dict[str, tuple[Any, Any]] = {}
        self._functions: dict[str, tuple[Any, Any]] = {}
        self._own_wait = getattr(torch._C, WAIT, None)  # what torch.cuda.synchronize calls
        self._wait = None if self._own_wait is None else _wait(self._own_wait)
        self._sees_functions = False

    def use(self, unseen: set[str]) -> None:
        """Install all replacements, if this is the first user; all or nothing.

        Args:
            unseen: Receives the names of functions that are not counted, now or later.
        """
        self._users.append(unseen)
        try:
            if len(self._users) == 1:
                self._put()
        except BaseException:
            self.release(unseen)
            raise
        if not self._sees_functions:
            unseen.update(FUNCTIONS)

    def _put(self) -> None:
        if self._wait is not None:
            leave_alone(self._torch, self._wait)
            setattr(self._torch._C, WAIT, self._wait)
        if DYNAMO not in sys.modules:
            self._put_functions()
            self._put_methods()
        elif self._hear_of_compilation():
            self._put_methods()
            if not has_compiled():
                self._put_functions()

    def release(self, unseen: set[str]) -> None:
        """Restore torch, if this was the last user."""
        place = next(place for place, each in enumerate(self._users) if each is unseen)
        del self._users[place]
        if self._users:
            return
        if self._wait is not None and getattr(self._torch._C, WAIT) is self._wait:
            setattr(self._torch._C, WAIT, self._own_wait)
        handler = callbacks()
        if handler is not None:
            with suppress(ValueError):
                handler.start_callbacks.remove(self._compiling)
            with suppress(ValueError):
                handler.end_callbacks.remove(self._compiled)
        self._take_functions()
        self._take_methods()

    def give_way(self) -> None:
        """Remove the replacements that torch.compile must not trace, once it compiles something."""
        if DYNAMO not in sys.modules:
            self._put_methods()  # a device may be in use only now
            return
        handler = callbacks()
        hears = handler is not None and self._compiling in handler.start_callbacks
        if not hears:
            # It may be compiling right now: the methods are installed again when it has compiled something.
            self._take_functions()
            self._take_methods()
            hears = self._hear_of_compilation()
        if hears and not has_compiled():  # it is only loaded
            self._put_methods()
            self._put_functions()
        else:
            self._take_functions()

    def _hear_of_compilation(self) -> bool:
        handler = callbacks()
        if handler is None:  # still being loaded, or older than torch 2.3
            return False
        handler.register_start_callback(self._compiling)
        handler.register_end_callback(self._compiled)
        return True

    def _compiling(self, *_: Any) -> None:
        with _lock:
            self._take_methods()
            self._take_functions()

    def _compiled(self, *_: Any) -> None:
        with _lock:
            if self._users:
                self._put_methods()

    def _put_methods(self) -> None:
        tensor = self._torch.Tensor
        notes = dict.fromkeys(COPIES, note_copy) | {"numpy": note_to_numpy}
        if _has_device(self._torch):
            notes |= dict.fromkeys(SYNCS, note_sync)
        for name, note in notes.items():
            if name in vars(tensor):  # already replaced, by us or by others
                continue
            own = getattr(tensor, name)
            if name not in self._methods:
                self._methods[name] = own, _method(self._torch, own, note)
            known, replacement = self._methods[name]
            if own is known:
                setattr(tensor, name, replacement)

    def _take_methods(self) -> None:
        tensor = self._torch.Tensor
        for name, (_, replacement) in self._methods.items():
            if vars(tensor).get(name) is replacement:
                delattr(tensor, name)

    def _put_functions(self) -> None:
        torch = self._torch
        if not self._functions:
            self._functions = _functions(torch)
        for name, (own, replacement) in self._functions.items():
            if getattr(torch, name) is own:
                setattr(torch, name, replacement)
        self._sees_functions = True

    def _take_functions(self) -> None:
        self._sees_functions = False
        for name, (own, replacement) in self._functions.items():
            if getattr(self._torch, name) is replacement:
                setattr(self._torch, name, own)
        for unseen in self._users:
            unseen.update(FUNCTIONS)
        _forget([replacement for _, replacement in self._functions.values()])


def _functions(torch: Any) -> dict[str, tuple[Any, Any]]:
    """Return torch's functions with their replacements, which are registered in the tables of torch.jit."""
    devices = importlib.import_module("torch.utils._device")
    devices._device_constructors()  # noqa: SLF001 - built now, from torch's own functions
    torch.overrides._get_overridable_functions()  # noqa: SLF001 - the same for functions that can be overridden
    scripted = torch.jit._builtins._get_builtin_table()  # noqa: SLF001 - what torch.jit.script knows, by id
    made = {name: (getattr(torch, name), _function(torch, getattr(torch, name))) for name in FUNCTIONS}
    for own, replacement in made.values():
        if id(own) in scripted:
            scripted[id(replacement)] = scripted[id(own)]
    return made


def _forget(replacements: list[Any]) -> None:
    """Have torch.compile look up torch's functions again, if its table was made while they were replaced."""
    table = getattr(sys.modules.get("torch._dynamo.trace_rules"), "get_torch_obj_rule_map", None)
    with suppress(AttributeError):  # unknown to this version
        if table is not None and table.cache_info().currsize and not table().keys().isdisjoint(replacements):
            table.cache_clear()


def _has_device(torch: Any) -> bool:
    """Return whether a device is in use whose numbers have to be waited for."""
    return bool(torch.cuda.is_initialized() or torch.backends.mps.is_available())


def _method(torch: Any, own: Any, note: Callable[..., None]) -> Any:
    """Return the counting replacement of a tensor method.

    torch's C code would pass the replacement to an override, which may look up torch's own in a table: so
    overrides are called from here.
    """
    has_override = torch._C._has_torch_function_unary  # noqa: SLF001 - as torch's own Python does
    unseen = torch._C.DisableTorchFunction  # modes must not see that we inspect tensors
    handle = torch.overrides.handle_torch_function
    waits = note is note_sync

    def method(tensor: Any, /, *args: Any, **kwargs: Any) -> Any:
        stack = active.stack
        if not stack:
            if has_override(tensor):
                return handle(own, (tensor, *args, *kwargs.values()), tensor, *args, **kwargs)
            return own(tensor, *args, **kwargs)
        if has_override(tensor):
            return overridden(stack[-1], tensor, args, kwargs)
        if waits and tensor.is_cpu:
            return own(tensor, *args, **kwargs)
        entry = stack[-1]
        clock = entry.maker.clock
        start = clock()
        result = own(tensor, *args, **kwargs)
        if result is not tensor:  # mostly, nothing is converted
            note(entry, tensor, result, clock() - start)
        return result

    def overridden(entry: Entry, tensor: Any, args: Any, kwargs: Any) -> Any:
        clock = entry.maker.clock
        start = clock()
        result = handle(own, (tensor, *args, *kwargs.values()), tensor, *args, **kwargs)
        elapsed = clock() - start
        if result is not tensor:
            with unseen():
                if not (waits and tensor.is_cpu):
                    note(entry, tensor, result, elapsed)
        return result

    leave_alone(torch, overridden)
    return _disguised(torch, method, own, f"Tensor.{own.__name__}")


def _function(torch: Any, own: Any) -> Any:
    tensor = torch.Tensor
    has_override = torch._C._has_torch_function_unary  # noqa: SLF001 - as torch's own Python does
    unseen = torch._C.DisableTorchFunction  # modes must not see that we inspect tensors
    is_compiling = torch.compiler.is_compiling
    arrays = _numpy_types()

    def function(*args: Any, **kwargs: Any) -> Any:
        if is_compiling():  # a constant for torch.compile, which may trace it where it was imported
            return own(*args, **kwargs)
        stack = active.stack
        if not stack:
            return own(*args, **kwargs)
        given = args[0] if args else kwargs.get("data")
        if type(given) in arrays:
            note = note_from_numpy
        elif isinstance(given, tensor):
            note = note_copy
        else:
            return own(*args, **kwargs)
        entry = stack[-1]
        clock = entry.maker.clock
        start = clock()
        result = own(*args, **kwargs)
        if result is not given:
            elapsed = clock() - start
            if has_override(result):
                with unseen():
                    note(entry, given, result, elapsed)
            else:
                note(entry, given, result, elapsed)
        return result

    return _disguised(torch, function, own, own.__name__)


def _numpy_types() -> frozenset[type]:
    """Return NumPy's own types: arrays and numbers."""
    numpy = sys.modules.get("numpy")
    found = vars(numpy).values() if isinstance(numpy, ModuleType) else ()
    return frozenset(each for each in found if isinstance(each, type) and each.__module__ == "numpy")


def _disguised(torch: Any, replacement: Any, own: Any, name: str) -> Any:
    functools.update_wrapper(replacement, own)
    replacement.__module__, replacement.__qualname__ = "torch", name
    leave_alone(torch, replacement)
    return replacement


def _wait(own: Any) -> Any:
    def synchronize(*args: Any) -> Any:
        stack = active.stack
        if not stack:
            return own(*args)
        entry = stack[-1]
        clock = entry.maker.clock
        start = clock()
        result = own(*args)
        note_wait(entry, "cuda", clock() - start)
        return result

    return synchronize
