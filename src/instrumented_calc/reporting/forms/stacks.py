"""Sampled stacks for flame graphs: collapsed stacks, and the file format of speedscope.

Collapsed stacks are one line per stack, frames separated by semicolons, then its time in us: the input of
Brendan Gregg's flamegraph.pl, inferno and others. Speedscope's format is described by its JSON Schema at
https://www.speedscope.app/file-format-schema.json.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc._version import __version__
from instrumented_calc.analysis.places import newest_places
from instrumented_calc.plain_text import escaped_json, plain
from instrumented_calc.reporting.run.places import part_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from instrumented_calc.journal.reader import Journal
    from instrumented_calc.journal.records import CodeLine

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
LONGEST_NAME = 200
US_NS = 1_000
Frame = tuple[str, str, int]  # name, file, line


def render_collapsed(journals: Sequence[Journal]) -> str:
    """Return the sampled stacks of journals as collapsed stacks; several journals are roots of their own."""
    lines = []
    for journal in journals:
        root = [plain(journal.path.name, LONGEST_NAME)] if len(journals) > 1 else []
        for frames, ns in _stacks(journal):
            words = [*root, *(f"{name} {file}:{line}" if file else name for name, file, line in frames)]
            text = ";".join(word.replace(";", ",") for word in words)
            lines.append(f"{text} {round(ns / US_NS)}\n")
    return "".join(lines)


def render_speedscope(journals: Sequence[Journal]) -> str:
    """Return the sampled stacks of journals as one file for speedscope, each journal a profile."""
    numbers: dict[Frame, int] = {}
    profiles = []
    for journal in journals:
        samples, weights = [], []
        for frames, ns in _stacks(journal):
            samples.append([numbers.setdefault(frame, len(numbers)) for frame in frames])
            weights.append(ns)
        profiles.append(
            {
                "type": "sampled",
                "name": plain(journal.path.name, LONGEST_NAME),
                "unit": "nanoseconds",
                "startValue": 0,
                "endValue": sum(weights),
                "samples": samples,
                "weights": weights,
            }
        )
    document = {
        "$schema": SCHEMA,
        "exporter": f"instrumented-calc {__version__}",
        "name": ", ".join(str(each["name"]) for each in profiles[:3]),
        "activeProfileIndex": 0,
        "shared": {"frames": [_speedscope_frame(frame) for frame in numbers]},
        "profiles": profiles,
    }
    return escaped_json(msgspec.json.encode(document).decode()) + "\n"


def _speedscope_frame(frame: Frame) -> dict[str, Any]:
    name, file, line = frame
    return {"name": name, "file": file, "line": line} if file else {"name": name}


def _stacks(journal: Journal) -> Iterator[tuple[list[Frame], int]]:
    """Yield each stack, outermost frame first, with its time in ns; the part of the run is a frame in it."""
    found = newest_places(journal)
    if found is None:
        return
    for each in found.stacks:
        frames = [_frame(found.lines[number]) for number in each.stack]
        part = plain(f"[{part_name(each.part, each.component, journal)}]", LONGEST_NAME)
        yield [*reversed(frames[each.inside :]), (part, "", 0), *reversed(frames[: each.inside])], each.ns


def _frame(line: CodeLine) -> Frame:
    name = f"{line.function} ({line.package})" if line.package else line.function
    return plain(name, LONGEST_NAME), plain(line.file), line.line
