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


def remedies(facts: RunFacts) -> Iterator[Remedy]:
    """Yield `gc.freeze` for programs with many objects or long collections.

    Args:
        facts: What is known of the run as it is.
    """
    if "frozen-garbage" in facts.trials or facts.tracked_objects >= MANY_OBJECTS:
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
