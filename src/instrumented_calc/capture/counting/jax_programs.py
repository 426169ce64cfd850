"""Counts executions of JAX programs, and the contractions in them.

A program is a function with the shapes it was compiled for. Its executions are counted as they happen; the
contractions of one execution are read from its jaxpr once, after the first call in which it has run. JAX
reports no times of single contractions: those are in traces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.counting.cells import Program
from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.vocabulary import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from instrumented_calc.capture.counting.table import Signatures, SignatureTable
    from instrumented_calc.capture.open_calls import Entry

MESSAGE_LENGTH = 200


def count_execution(
    entry: Entry,
    shapes_of: Callable[..., Hashable],
    function: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    """Count one execution, in the thread that made it; takes about a microsecond.

    Args:
        entry: The innermost entry of the thread's stack: the part that has run.
        shapes_of: Given the arguments, returns a key that distinguishes a function's programs.
        function: The executed function.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
    """
    table = entry.maker.signatures
    try:
        signatures = entry.signatures or table.of(entry)
        # A bound method is a new object each time, and may be slow to hash.
        key = id(getattr(function, "__func__", function)), shapes_of(*args, **kwargs)
        program = signatures.jax.get(key)
        if program is None or program.function() is not getattr(function, "__func__", function):
            program = _new_program(signatures, table, key, (function, args, kwargs))
        program.executions += 1
    except Exception as error:
        if is_foreign(error):
            raise
        if not table.faulty:
            table.faulty = True
            table.unexplained.append(error)


def _new_program(signatures: Signatures, table: SignatureTable, key: Any, first: tuple[Any, ...]) -> Program:
    """Return a program that is new, or the one that sums programs beyond the limit."""
    if not table.has_room():
        other = signatures.jax.get(OTHER)
        if other is None:
            other = signatures.jax[OTHER] = Program.of_others()
        return other
    made = signatures.jax[key] = Program(*first)
    table.unexplained.append(made)
    return made


def explain(table: SignatureTable) -> None:
    """Determine the contractions of the programs that have run for the first time.

    Args:
        table: The run's `SignatureTable`.

    Raises:
        RuntimeError: The error, the first time only; the program is counted without contractions.
    """
    while table.unexplained:
        found = table.unexplained.pop()
        try:
            if isinstance(found, Exception):
                raise found  # noqa: TRY301 - it was caught where it could not be reported
            found.explain(table.has_room)
        except Exception as error:
            if is_foreign(error):
                raise
            if isinstance(found, Exception) or not table.faulty:
                table.faulty = True
                # JAX's messages contain whole arrays.
                message = f"{type(error).__name__}: {error}".partition("\n")[0][:MESSAGE_LENGTH]
                raise RuntimeError(message) from error
