"""Counts every `numpy.einsum` of a recorded call, however the caller imported the function.

`numpy.einsum` dispatches to a Python function; during a run, that function's code is replaced by this
module's. Nothing is counted outside calls. Calls that other libraries handle before numpy's own function
runs (`__array_function__`) are not numpy's work and are not counted.
"""

# ruff: noqa: B030 - strings with an @ are placeholders for constants that the code swap inserts

from __future__ import annotations

import sys
from string import ascii_letters
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.counting.code_swap import CodeSwap
from instrumented_calc.capture.open_calls import active
from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from instrumented_calc.capture.counting.cells import Cell
    from instrumented_calc.capture.open_calls import Entry

UNUSUAL = (AttributeError, KeyError, TypeError, ValueError, IndexError)

_swap: CodeSwap | None = None


class NumpyEinsumProbe:
    """Counts `numpy.einsum` during a run, if numpy is loaded at the start of the run.

    Raises:
        TypeError: This numpy's einsum is not as expected; nothing is counted then.
    """

    def __init__(self) -> None:
        global _swap  # noqa: PLW0603 - the function is global, too
        self._swap: CodeSwap | None = None
        numpy: Any = sys.modules.get("numpy")
        if numpy is None:
            return
        if _swap is None:
            einsum = numpy.einsum
            function = getattr(einsum, "_implementation", None) or einsum.__wrapped__
            constants = {
                "active": active,
                "c_einsum": function.__globals__["c_einsum"],
                "find_cell": _find_cell,
                "look": _look,
                "sampled": _sampled,
                "unusual": UNUSUAL,
                "unusual_call": _unusual_call,
            }
            _swap = CodeSwap(function, _einsum, constants)
        self._swap = _swap
        self._swap.use()

    def close(self) -> None:
        """Stop counting; the last user restores numpy's own code."""
        swap, self._swap = self._swap, None
        if swap is not None:
            swap.release()


def _einsum(*operands: Any, out: Any = None, optimize: Any = False, **kwargs: Any) -> Any:
    c_einsum: Any = "@c_einsum"
    stack = "@active".stack  # type: ignore[attr-defined]  # a placeholder, like the others
    if optimize is not False or out is not None or kwargs:
        unusual_call: Any = "@unusual_call"
        return unusual_call("@original", stack, operands, {"out": out, "optimize": optimize, **kwargs})
    if not stack:
        return c_einsum(*operands)
    entry = stack[-1]
    try:
        cell = entry.signatures.numpy[operands[0]]
    except "@unusual":  # type: ignore[misc]
        find_cell: Any = "@find_cell"
        cell = find_cell(entry, operands)
    if left := cell.left:
        if left > 1:
            cell.left = left - 1
            return c_einsum(*operands)
        sampled: Any = "@sampled"
        return sampled(c_einsum, entry, cell, operands)
    clock = entry.maker.clock
    start = clock()
    result = c_einsum(*operands)
    elapsed = clock() - start
    if peek := cell.peek:
        if peek > 1:
            cell.peek = peek - 1
            cell.ns += elapsed
            return result
        cell.peeked()
    try:
        _, first, second = operands
        seen = cell.by_operands[first.shape, second.shape, first.dtype, second.dtype]
    except "@unusual":  # type: ignore[misc]
        look: Any = "@look"
        seen = look(entry, cell, operands)
    seen.seen += 1
    seen.ns += elapsed
    return result


def _sampled(c_einsum: Any, entry: Entry, cell: Cell, operands: tuple[Any, ...]) -> Any:
    """Run an inspected call of an equation that is mostly only counted."""
    clock = entry.maker.clock
    start = clock()
    result = c_einsum(*operands)
    elapsed = clock() - start
    cell.sampled()
    try:
        _, first, second = operands
        seen = cell.by_operands[first.shape, second.shape, first.dtype, second.dtype]
    except UNUSUAL:
        seen = _look(entry, cell, operands)
    seen.add(elapsed)
    return result


def _find_cell(entry: Entry, operands: tuple[Any, ...]) -> Cell:
    """Return the cell of an equation that is new, or given as lists of indices."""
    signatures = entry.signatures or entry.maker.signatures.of(entry)
    equation = _equation(operands)
    cell: Cell = signatures.cell(signatures.numpy, equation, equation.replace(" ", ""))
    return cell


def _equation(operands: tuple[Any, ...]) -> str:
    """Return the equation in letters; empty if this is not a valid call of einsum."""
    if not operands:
        return ""
    if isinstance(operands[0], str):
        return operands[0]
    try:
        equation = ",".join(map(_letters, operands[1::2]))
        return f"{equation}->{_letters(operands[-1])}" if len(operands) % 2 else equation
    except (TypeError, ValueError, IndexError) as error:
        if is_foreign(error):
            raise
        return ""


def _letters(indices: Any) -> str:
    return "".join("..." if index is Ellipsis else ascii_letters[index] for index in indices)


def _look(entry: Entry, cell: Cell, operands: tuple[Any, ...]) -> Any:
    """Return the record for operands that are new, or not two arrays."""
    arrays = operands[1:] if isinstance(operands[0], str) else operands[: len(operands) // 2 * 2 : 2]
    found = [(getattr(array, "shape", None), getattr(array, "dtype", None)) for array in arrays]
    key = (*(shape for shape, _ in found), *(dtype for _, dtype in found))
    return cell.by_operands.get(key) or entry.signatures.seen(cell, key, [_words(*each) for each in found])


def _words(shape: tuple[int, ...] | None, dtype: Any) -> str:
    return "?" if shape is None else f"{dtype}[{','.join(map(str, shape))}]"


def _unusual_call(
    original: Any, stack: list[Entry], operands: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """Run an einsum with `out=`, `optimize=` or other options; inside calls it is counted and timed."""
    if not stack:
        return original(*operands, **options)
    entry = stack[-1]
    clock = entry.maker.clock
    start = clock()
    result = original(*operands, **options)
    elapsed = clock() - start
    signatures = entry.signatures or entry.maker.signatures.of(entry)
    equation = _equation(operands)
    optimize = options["optimize"] is not False
    key = (equation, True) if optimize else equation
    cell = signatures.cell(signatures.numpy, key, equation.replace(" ", ""), optimize=optimize)
    _look(entry, cell, operands).add(elapsed)
    return result
