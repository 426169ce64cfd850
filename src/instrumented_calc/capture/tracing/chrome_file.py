"""A trace window as a Chrome trace: a file that Perfetto and chrome://tracing open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.capture.tracing.slices import RANGE
from instrumented_calc.capture.tracing.sums import tracks_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.capture.tracing.slices import TracedSlice

LARGEST_BYTES = 20_000_000
HEAD_BYTES = 2_000
CALL_LABEL = "calculate"
HOST, DEVICE = 1, 2  # process ids of the trace
PROCESSES = {HOST: "host", DEVICE: "device"}
US_NS = 1e3


def chrome_trace(
    slices: Sequence[TracedSlice], title: str, largest: int = LARGEST_BYTES
) -> tuple[bytes, int]:
    """Return a window's Chrome trace.

    Args:
        slices: The slices of all its calls, on the run's clock.
        title: Title of the trace.
        largest: Size in bytes above which only the ranges and the longest slices are kept.

    Returns:
        The JSON, and the number of omitted slices.
    """
    encode = msgspec.json.Encoder().encode
    lines, sources = [], []
    for process in PROCESSES:
        for track in tracks_of(each for each in slices if each.on_device == (process == DEVICE)):
            ends: list[int] = []
            for each in track:
                while ends and each.start_ns >= ends[-1]:
                    ends.pop()
                ends.append(min(each.end_ns, ends[-1]) if ends else each.end_ns)
                lines.append(encode(_event(each, process, ends[-1])))
                sources.append(each)
    kept = _fitting(lines, sources, largest - HEAD_BYTES)
    about: dict[str, Any] = {"made by": "instrumented-calc", "title": title}
    left_out = len(lines) - len(kept)
    if left_out:
        about["left out"] = f"the {left_out} shortest operations, to limit the file size"
    names = [
        encode({"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": name}})
        for process, name in PROCESSES.items()
    ]
    head = b'{"displayTimeUnit":"ms","otherData":' + encode(about) + b',"traceEvents":[\n'
    return head + b",\n".join(names + kept) + b"\n]}\n", left_out


def _event(each: TracedSlice, process: int, end_ns: int) -> dict[str, Any]:
    is_range = each.name.startswith(RANGE)
    event: dict[str, Any] = {
        "ph": "X",
        "name": (each.name[len(RANGE) :] or CALL_LABEL) if is_range else each.name,
        "cat": "component" if is_range else "operation",
        "pid": process,
        "tid": each.track,
        "ts": each.start_ns / US_NS,
        "dur": (end_ns - each.start_ns) / US_NS,
    }
    if each.shapes:
        event["args"] = {"shapes": each.shapes}
    return event


def _fitting(lines: list[bytes], sources: list[TracedSlice], room: int) -> list[bytes]:
    """Return all lines if there is room for them, else the ranges and the longest slices, in order."""
    if sum(map(len, lines)) + 2 * len(lines) <= room:
        return lines

    def rank(place: int) -> tuple[bool, int]:
        each = sources[place]
        return not each.name.startswith(RANGE), each.start_ns - each.end_ns

    kept = []
    for place in sorted(range(len(lines)), key=rank):
        room -= len(lines[place]) + 2
        if room < 0:
            break
        kept.append(place)
    return [lines[place] for place in sorted(kept)]
