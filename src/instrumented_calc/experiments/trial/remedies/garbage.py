"""Garbage collection: what a program made before its first calculation is not searched again."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from instrumented_calc.integration import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.integration import RunFacts

# A full collection visits 10 to 20 million objects per second: from here on it takes 10 ms or more.
MANY_OBJECTS = 200_000
WORTH_SHARE = 0.01  # of the wall time; below, the gain is not measurable


def remedies(facts: RunFacts) -> Iterator[Remedy]:
    """Yield `gc.freeze` for programs with many objects, or long collections, that spend time on them.

    Args:
        facts: What is known of the run as it is.
    """
    collected = facts.collected_share is None or facts.collected_share >= WORTH_SHARE
    if "frozen-garbage" in facts.trials or (collected and facts.tracked_objects >= MANY_OBJECTS):
        yield Remedy(
            "gc-freeze",
            "gc.collect(); gc.freeze() after the setup, before the dynamics starts",
            trials=("frozen-garbage",),
            at_first_call=_freeze,
            seek=r"\.run\(",
        )


def _freeze(_: Any) -> None:
    gc.collect()
    gc.freeze()
