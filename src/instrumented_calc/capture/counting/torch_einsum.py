"""Counts every `torch.einsum` of a recorded call, however the caller imported the function.

`torch.einsum` is a Python function that normalises its arguments, calls the overrides of subclasses and
modes, and then calls `torch._VF.einsum`, which is replaced by this module's during a run. The Python
function and its code stay unchanged: torch.compile guards both, and would recompile. Times are host times,
without torch's Python part before (1 to 2 us); on an asynchronous device they are those of the launch.
Traced calls (fake tensors) are not counted. While any torch.profiler is active, each of these calls is
labelled with its equation there.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.counting.conversions import real
from instrumented_calc.capture.open_calls import active

if TYPE_CHECKING:
    from instrumented_calc.capture.counting.cells import Cell, Seen
    from instrumented_calc.capture.counting.table import Signatures
    from instrumented_calc.capture.open_calls import Entry

UNUSUAL = (AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError)

_lock = threading.RLock()
_users = 0


class TorchEinsumProbe:
    """Counts `torch.einsum` during a run, once torch is loaded.

    Raises:
        TypeError: This torch's einsum is not as expected; nothing is counted then.
    """

    def __init__(self) -> None:
        self._counts = False
        self._done = False
        self.look()

    def look(self) -> None:
        """Start counting if torch is now loaded."""
        if self._done:
            return
        torch = loaded_torch()
        if torch is None:
            return
        with _lock:
            if not self._done:
                self._done = True  # once, even if it fails
                _use(torch)
                self._counts = True

    def close(self) -> None:
        """Stop counting; the last user restores torch's own function."""
        with _lock:
            self._done = True
            if self._counts:
                self._counts = False
                _release(sys.modules["torch"])


def loaded_torch() -> Any:
    """Return torch if the program has loaded it completely; never load it."""
    torch: Any = sys.modules.get("torch")
    spec = getattr(torch, "__spec__", None)
    return None if torch is None or getattr(spec, "_initializing", False) else torch


def leave_alone(torch: Any, *functions: Any) -> None:
    """Make torch.compile run functions unmodified where it meets them between compiled parts.

    Args:
        torch: The module.
        functions: Python functions of this package.
    """
    with suppress(AttributeError, TypeError):  # an older torch inspects them itself
        frames = torch._C._dynamo.eval_frame  # noqa: SLF001 - nothing public does it without a wrapper
        actions = frames._FrameAction  # noqa: SLF001 - the same
        plainly = frames._FrameExecStrategy(actions.SKIP, actions.DEFAULT)  # noqa: SLF001 - the same
        for function in functions:
            frames.set_code_exec_strategy(function.__code__, plainly)


def _use(torch: Any) -> None:
    global _users  # noqa: PLW0603 - the function is global, too
    if not _users:
        code = getattr(torch.functional.einsum, "__code__", None)
        if code is None or not {"_VF", "einsum"} <= {*code.co_names}:
            message = "torch.einsum is not implemented as expected"
            raise TypeError(message)
        if "einsum" not in vars(torch._VF):  # otherwise others have replaced it
            vars(torch._VF)["einsum"] = _counting(torch)  # where torch.einsum finds it
    _users += 1


def _release(torch: Any) -> None:
    global _users  # noqa: PLW0603 - the same
    _users -= 1
    there = vars(torch._VF)
    if not _users and getattr(there.get("einsum"), "__module__", "") == __name__:
        del there["einsum"]


def _counting(torch: Any) -> Any:  # noqa: C901 - the hot path: no call is spent on structure
    """Return the counting replacement of torch's C function."""
    own = torch._VF.einsum  # what torch.einsum calls
    tensor, parameter = torch.Tensor, torch.nn.Parameter
    profiler = torch.autograd.profiler
    quick = getattr(torch._C._profiler, "_RecordFunctionFast", None)  # noqa: SLF001 - the public one takes 5 us
    label = quick or torch.profiler.record_function

    def einsum(equation: Any, operands: Any, **path: Any) -> Any:
        stack = active.stack
        if not stack:
            return own(equation, operands, **path)
        entry = stack[-1]
        try:
            kind = type(operands[-1])
            if (
                (kind is not tensor and kind is not parameter and not real(operands[-1]))
                or profiler._is_profiler_enabled  # noqa: SLF001 - torch's own switch
            ):
                return unusual(entry, equation, operands, path)
            cell = entry.signatures.torch[equation]
        except UNUSUAL:
            cell = _find_cell(entry, equation)
        left = cell.left
        if left > 1:
            cell.left = left - 1
            return own(equation, operands, **path)
        clock = entry.maker.clock
        start = clock()
        result = own(equation, operands, **path)
        elapsed = clock() - start
        if left:
            cell.sampled()
        elif peek := cell.peek:
            if peek > 1:
                cell.peek = peek - 1
                cell.ns += elapsed
                return result
            cell.peeked()
        try:
            first, second = operands
            seen = cell.by_operands[
                first.shape, second.shape, first.dtype, second.dtype, first.device, second.device
            ]
        except UNUSUAL:
            seen = _look(entry, cell, operands)
        seen.seen += 1
        seen.ns += elapsed
        seen.squares += elapsed * elapsed
        return result

    def unusual(entry: Entry, equation: Any, operands: Any, path: dict[str, Any]) -> Any:
        """Run an einsum that is only traced, or profiled."""
        if not all(map(real, operands)):
            return own(equation, operands, **path)
        clock = entry.maker.clock
        with label(f"einsum::{equation}"):
            start = clock()
            result = own(equation, operands, **path)
            elapsed = clock() - start
        _look(entry, _find_cell(entry, equation), operands).add(elapsed)
        return result

    leave_alone(torch, einsum, unusual, _find_cell, _look)
    return einsum


def _find_cell(entry: Entry, equation: str) -> Cell:
    """Return the cell of an equation that may be new."""
    signatures: Signatures = entry.signatures or entry.maker.signatures.of(entry)
    return signatures.cell(signatures.torch, equation, str(equation).replace(" ", ""))


def _look(entry: Entry, cell: Cell, operands: Any) -> Seen:
    """Return the record for these operands."""
    try:
        if sys.modules["torch"].jit.is_tracing():  # shapes are tensors then
            raise ValueError
        key: Any = (
            *(each.shape for each in operands),
            *(each.dtype for each in operands),
            *(each.device for each in operands),
        )
        known = cell.by_operands.get(key)
    except UNUSUAL:  # nested tensors have no shape
        key, known = "?", cell.by_operands.get("?")
    if known is not None:
        return known
    signatures: Signatures = entry.signatures or entry.maker.signatures.of(entry)
    return signatures.seen(cell, key, ["?"] if key == "?" else [_words(each) for each in operands])


def _words(tensor: Any) -> str:
    """Describe an operand: float32[2,3], float32[2,3]@cuda:0."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    place = "" if tensor.device.type == "cpu" else f"@{tensor.device}"
    return f"{dtype}[{','.join(map(str, tensor.shape))}]{place}"
