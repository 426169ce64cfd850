"""Chooses the modules to time: few enough for a table, and those that take the time.

The choice starts at the outermost modules that ran and replaces the largest by the modules inside it, while
the table stays small. Repeated blocks are one row: `interactions x5`. A module that was replaced keeps a row
for its own work, if that takes time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from instrumented_calc.capture.open_calls import SEPARATOR

if TYPE_CHECKING:
    from instrumented_calc.capture.parts.call_tree import CallTree

FEWEST_ROWS, MOST_ROWS = 3, 10
SMALLEST = 0.02  # share of the modules' time below which a module has no row of its own
LARGEST = 0.25  # share above which a module is replaced by those inside it
COVER = 0.5  # share of a module's time that those inside it must take
# How often chosen modules may run in a call, to have at least a few rows and to have more: each time costs
# 1 us, and 14 us where the model has emptied the processor's caches.
FEW_ROWS, MOST_ENTRIES, MOST_FOR_MORE = 5, 60, 16
LONGEST_NAME = 40  # characters
INDEX = re.compile(r"^\d+_(?=\D)|(?<=\D)_\d+$|^\d+$")  # "3_linear", "linear_3", "3"


@dataclass
class ModuleRow:
    """Modules that are one row.

    Attributes:
        pattern: Their common path, without the indices of repeated blocks.
        paths: Their paths.
        own_ns: Time in them outside of modules inside them.
        entries: How often they ran.
        inside: Rows of the modules inside them.
    """

    pattern: str
    paths: list[str]
    own_ns: int = 0
    entries: int = 0
    inside: list[ModuleRow] = field(default_factory=list)

    @property
    def total_ns(self) -> int:
        """Time in them, with all that runs inside."""
        return self.own_ns + sum(row.total_ns for row in self.inside)


def choose(tree: CallTree, times: dict[str, int], classes: dict[str, str]) -> dict[str, str]:
    """Return the modules to time and the names of their rows.

    Args:
        tree: The modules that ran in a call.
        times: Exclusive times of all parts of the call, in ns.
        classes: Class names of the modules by their paths; other parts have rows in any case. Shares are
            those of the modules' time: a backward pass is many times as long, and as much theirs.

    Returns:
        Names by paths.
    """
    chosen = _opened(_outermost(tree, times, classes), times, classes)
    names = _named(chosen, taken={name for name in times if name not in classes})
    return {path: name for row, name in zip(chosen, names, strict=True) for path in row.paths}


def summed(
    times: dict[str, int],
    parents: dict[str, str],
    classes: dict[str, str],
    names: dict[str, str],
    terms: dict[str, str],
) -> dict[str, int]:
    """Return the times of the rows; a module without a row counts to the part around it.

    Args:
        times: Exclusive times of all parts of a call, in ns.
        parents: The part around each part.
        classes: Class names of the modules by their paths.
        names: The names of the chosen modules' rows.
        terms: Names of the calculators inside the calculator around modules.
    """
    sums: dict[str, int] = {}
    for part, time in times.items():
        around = part
        while around in classes and around not in names:
            around = parents.get(around, "")
        row, term = names.get(around, around), terms.get(part, "")
        if term:
            row = f"{term}{SEPARATOR}{row}" if around in names else term
        if row:  # else outside of all rows
            sums[row] = sums.get(row, 0) + time
    return sums


def _outermost(tree: CallTree, times: dict[str, int], classes: dict[str, str]) -> list[ModuleRow]:
    inside: dict[str, list[str]] = {}
    for path, parent in tree.parents.items():
        if path in classes:
            inside.setdefault(parent if parent in classes else "", []).append(path)
    return _rows(inside.get("", []), inside, tree, times, classes)


def _rows(
    paths: list[str],
    inside: dict[str, list[str]],
    tree: CallTree,
    times: dict[str, int],
    classes: dict[str, str],
) -> list[ModuleRow]:
    rows: dict[str, ModuleRow] = {}
    for path in paths:
        pattern = _pattern(path, tree, classes)
        row = rows.setdefault(pattern, ModuleRow(pattern, []))
        row.paths.append(path)
        row.own_ns += times.get(path, 0)
        row.entries += tree.entries[path]
    for row in rows.values():
        members = [each for path in row.paths for each in inside.get(path, [])]
        row.inside = _rows(members, inside, tree, times, classes) if members else []
    return [*rows.values()]


def _pattern(path: str, tree: CallTree, classes: dict[str, str]) -> str:
    """Return a path without indices; a member of a sequence that itself runs is known by its class."""
    words = path.split(".")
    kept = [INDEX.sub("", word) for word in words]
    if words[-1].isdigit() and ".".join(words[:-1]) in tree.entries:
        kept[-1] = classes[path]
    return ".".join(word for word in kept if word)


def _opened(rows: list[ModuleRow], times: dict[str, int], classes: dict[str, str]) -> list[ModuleRow]:
    """Return the rows to show, after the largest have been replaced by those inside them."""
    everything = sum(row.total_ns for row in rows) or 1
    others = sum(name not in classes for name in times)
    shown, closed = [*rows], set()
    while candidates := [row for row in shown if row.inside and id(row) not in closed]:
        row = max(candidates, key=lambda each: each.total_ns)
        is_short = len(shown) + others < FEWEST_ROWS
        members = [each for each in row.inside if each.total_ns >= SMALLEST * everything]
        if is_short and len(members) < FEWEST_ROWS - 1:
            members = row.inside
        room = MOST_ROWS - others - len(shown)  # with one for the module's own work
        members = sorted(members, key=lambda each: -each.total_ns)[: max(room, 1)]
        rest = row.total_ns - sum(each.total_ns for each in members)
        own = [ModuleRow(row.pattern, row.paths, rest, row.entries)] if rest >= SMALLEST * everything else []
        new = [each for each in shown if each is not row] + members + own
        is_large = row.total_ns >= LARGEST * everything and rest <= (1 - COVER) * row.total_ns
        most = MOST_ENTRIES if len(shown) + others < FEW_ROWS else MOST_FOR_MORE
        is_cheap = sum(each.entries for each in new) <= most
        fits = len(new) + others <= MOST_ROWS and (is_large or is_short)
        if len(members) == 1 and not own:  # it only passes on; the last of such a chain has the first's name
            fits = bool(members[0].inside)
        if members and is_cheap and fits:
            shown = new
        else:
            closed.add(id(row))
    return sorted(shown, key=lambda each: -each.total_ns)[:MOST_ROWS]


def _named(rows: list[ModuleRow], taken: set[str]) -> list[str]:
    """Return the shortest names that distinguish the rows, with the number of repeated blocks."""
    paths = [row.paths[0] if len(row.paths) == 1 else row.pattern for row in rows]
    names: list[str] = []
    for path, row in zip(paths, rows, strict=True):
        words = path.split(".")
        least = 2 if words[-1].isdigit() and len(words) > 1 else 1
        name = path
        for length in range(least, len(words) + 1):
            name = ".".join(words[-length:])
            if sum(_ends_with(other, name) for other in paths) == 1 and name not in taken:
                break
        else:
            name = f"{name} (module)"
        repeated = f" x{len(row.paths)}" if len(row.paths) > 1 else ""
        names.append(name[-LONGEST_NAME + len(repeated) :] + repeated)
    return names


def _ends_with(path: str, name: str) -> bool:
    return path == name or path.endswith(f".{name}")
