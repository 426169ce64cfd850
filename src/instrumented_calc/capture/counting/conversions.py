"""Counts conversions and copies of tensors: kind, source, target, time and bytes of each.

Each thread counts separately, next to its contractions. A conversion is identified from its source and
result, after it was done; no error here may reach the user's run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.foreign import is_foreign, own_faults_dropped

if TYPE_CHECKING:
    from instrumented_calc.capture.counting.table import Signatures
    from instrumented_calc.capture.open_calls import Entry

TO_TORCH = "numpy to torch"
TO_NUMPY = "torch to numpy"
SYNC = "sync"
STAND_INS = frozenset({"FakeTensor", "FunctionalTensor"})


def note_copy(entry: Entry, source: Any, result: Any, elapsed: int) -> None:
    """Count a tensor made from another one, if its dtype or device differs.

    Args:
        entry: The innermost entry of the thread's stack.
        source: The tensor.
        result: The resulting tensor.
        elapsed: Host time, in ns.
    """
    try:
        given, made = (source.dtype, source.device), (result.dtype, result.device)
        if given != made and real(result):
            _add(entry, (_direction(given[1], made[1]), given, made), elapsed, result.nbytes)
    except Exception as fault:  # unidentified conversions are not counted
        if is_foreign(fault):
            raise


def note_from_numpy(entry: Entry, source: Any, result: Any, elapsed: int) -> None:
    """Count an array converted to a tensor; arguments are those of `note_copy`."""
    try:
        if real(result):
            made = result.dtype, result.device
            _add(entry, (TO_TORCH, (source.dtype, "cpu"), made), elapsed, result.nbytes)
    except Exception as fault:  # unidentified conversions are not counted
        if is_foreign(fault):
            raise


def note_to_numpy(entry: Entry, source: Any, result: Any, elapsed: int) -> None:
    """Count a tensor converted to an array; arguments are those of `note_copy`."""
    try:
        if real(source):
            given = source.dtype, source.device
            _add(entry, (TO_NUMPY, given, (result.dtype, "cpu")), elapsed, result.nbytes)
    except Exception as fault:  # unidentified conversions are not counted
        if is_foreign(fault):
            raise


def note_sync(entry: Entry, source: Any, result: Any, elapsed: int) -> None:  # noqa: ARG001 - as the others
    """Count a number read from a device, for which the host had to wait."""
    try:
        if real(source):
            _add(entry, (SYNC, (source.dtype, source.device), ()), elapsed, source.nbytes)
    except Exception as fault:  # unidentified conversions are not counted
        if is_foreign(fault):
            raise


def note_wait(entry: Entry, device: str, elapsed: int) -> None:
    """Count a wait for all work of a device."""
    with own_faults_dropped():
        _add(entry, (SYNC, (device,), ()), elapsed, 0)


def real(tensor: Any) -> bool:
    """Return whether this is a real tensor, not a fake one used during tracing."""
    return type(tensor).__name__ not in STAND_INS


def _direction(given: Any, made: Any) -> str:
    if given == made:
        return "cast"
    if given.type == "cpu":
        return "host to device"
    return "device to host" if made.type == "cpu" else "device to device"


def _add(entry: Entry, key: tuple[str, Any, Any], elapsed: int, size: int) -> None:
    signatures: Signatures = entry.signatures or entry.maker.signatures.of(entry)
    cell = signatures.conversions.get(key)
    if cell is None:
        kind, given, made = key
        cell = signatures.converted(key, (kind, _words(given), _words(made)))
    cell.calls += 1
    cell.ns += elapsed
    cell.bytes += size


def _words(what: tuple[Any, ...]) -> str:
    """Format as `dtype@device`, e.g. float32@cuda:0; empty for an empty tuple."""
    return "@".join(str(word).removeprefix("torch.") for word in what)
