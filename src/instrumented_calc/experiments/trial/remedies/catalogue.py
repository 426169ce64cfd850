"""All remedies that can apply to a run: our own, and those of the installed integrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.experiments.trial.remedies import (
    contractions,
    debugging,
    device,
    garbage,
    neighbours,
    observers,
    processors,
    torch_settings,
)
from instrumented_calc.integration import installed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.integration import Remedy, RunFacts

FAMILIES = (debugging, observers, contractions, neighbours, garbage, processors, torch_settings, device)


def remedies_for(facts: RunFacts) -> list[Remedy]:
    """Return the remedies that can apply to a run.

    Args:
        facts: What is known of the run as it is.
    """
    return list(_all_remedies(facts))


def _all_remedies(facts: RunFacts) -> Iterator[Remedy]:
    for module in FAMILIES:
        yield from module.remedies(facts)
    for entry_point in installed():
        offered = getattr(entry_point.load(), "remedies", None)
        if offered is not None:
            yield from offered(facts)
