"""Parts that run so often and so briefly that timing them would be felt; they count to what contains them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.capture.open_calls import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Collection

    from instrumented_calc.capture.parts.call_tree import CallTree

TIMING_NS = 2_000  # of a run: 1.4 us in a loop, 4 us measured inside AniSOAP, whose work displaces ours
QUICK_NS = 20_000  # own time of a run that its timing makes longer by a tenth
MANY = 60  # runs in a call; the time of few runs is worth its cost
FELT = 0.005  # share of a call's time: half of what all of the recorder may take


def quick_parts(tree: CallTree) -> dict[str, int]:
    """Return the parts of a call that should not be timed again, with how often they ran.

    Args:
        tree: All that ran in the call.
    """
    call_ns = sum(tree.times.values())
    return {
        name: runs
        for name, runs in tree.entries.items()
        if runs > MANY and runs * TIMING_NS > FELT * call_ns and tree.times.get(name, 0) < runs * QUICK_NS
    }


def without(components: dict[str, int], left_out: Collection[str], parents: dict[str, str]) -> dict[str, int]:
    """Return the times of a call's parts, with those of some of them added to what is around them.

    Args:
        components: Exclusive times in ns, by the names of the parts.
        left_out: Names of the parts without a time of their own.
        parents: The part around each part; empty for the calculator itself.
    """
    sums: dict[str, int] = {}
    for name, time in components.items():
        term, separator, part = name.rpartition(SEPARATOR)
        around = part
        while around in left_out:
            around = parents.get(around, "")
        if around == term.rpartition(SEPARATOR)[2]:  # a calculator inside the calculator
            around = ""
        row = f"{term}{separator}{around}" if around else term
        if row:
            sums[row] = sums.get(row, 0) + time
    return sums
