"""A bounded table of the functions in profiled steps, and the record made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from instrumented_calc.capture.places.code_origins import BOUNDARY, OWN_WORK, USER, WRAPPER, CodeOrigins
from instrumented_calc.journal.encoding import valid_text
from instrumented_calc.journal.records import ProfiledFunction
from instrumented_calc.journal.vocabulary import RECORDER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from instrumented_calc.capture.places.step_profiler import FunctionKey, FunctionSum, StepSums

MOST_FUNCTIONS = 2_000
LONGEST_TEXT = 200
ROW_BYTES = 60  # of the JSON, without the texts
OURS = BOUNDARY, OWN_WORK, WRAPPER


class FunctionRow(NamedTuple):
    """A function in one part of the step; without a name: summed, or not known."""

    part: str
    function: str = ""
    package: str = ""
    file: str = ""
    line: int = 0


Sums: TypeAlias = dict[FunctionRow, tuple[int, int]]  # calls and ns


class FunctionTable:
    """Sums over steps, by function."""

    def __init__(self) -> None:
        self._origin_of = CodeOrigins().of
        self._sums: Sums = {}

    def add(self, step: StepSums) -> None:
        """Add a step."""
        for part, functions in step.parts.items():
            self._add_part(part, functions)
        if len(self._sums) > MOST_FUNCTIONS:
            self._sums = _with_rest_summed(self._sums, MOST_FUNCTIONS // 2)

    def _add_part(self, part: str, functions: Iterable[FunctionSum]) -> None:
        for key, calls, ns in functions:
            if calls or ns:
                self._add_to(self._row(part, key), calls, ns)

    def _add_to(self, row: FunctionRow, calls: int, ns: int) -> None:
        before = self._sums.get(row, (0, 0))
        self._sums[row] = before[0] + calls, before[1] + ns

    def _row(self, part: str, key: FunctionKey) -> FunctionRow:
        if key is None:
            return FunctionRow(part)
        if isinstance(key, tuple):
            module, name = key
            return FunctionRow(part, name, module.partition(".")[0] or "builtins")
        package, role = self._origin_of(key.co_filename)
        if role in OURS:
            return FunctionRow(RECORDER)
        name = key.co_qualname if hasattr(key, "co_qualname") else key.co_name
        if package == USER:
            return FunctionRow(part, name, USER, key.co_filename, key.co_firstlineno)
        return FunctionRow(part, name, package)

    def functions(self, most_bytes: int) -> list[ProfiledFunction]:
        """Return the functions for a record of limited size, those with the most time first.

        Args:
            most_bytes: Size of the line, roughly.
        """
        room, shown = most_bytes, 0
        for row, _ in _ranked(self._sums):
            room -= ROW_BYTES + min(len(row.function), LONGEST_TEXT) + len(row.package) + len(row.file)
            if room < 0:
                break
            shown += 1
        return [
            ProfiledFunction(
                row.part,
                calls,
                ns,
                valid_text(row.function[:LONGEST_TEXT]),
                valid_text(row.package),
                valid_text(row.file),
                row.line,
            )
            for row, (calls, ns) in _ranked(_with_rest_summed(self._sums, shown))
        ]


def _ranked(sums: Sums) -> list[tuple[FunctionRow, tuple[int, int]]]:
    return sorted(sums.items(), key=lambda item: (-item[1][1], -item[1][0]))


def _with_rest_summed(sums: Sums, most: int) -> Sums:
    """Return the functions with the most time, and all others summed by part."""
    ranked = _ranked(sums)
    kept = dict(ranked[:most])
    for row, (calls, ns) in ranked[most:]:
        before = kept.get(FunctionRow(row.part), (0, 0))
        kept[FunctionRow(row.part)] = before[0] + calls, before[1] + ns
    return kept
