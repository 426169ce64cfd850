"""All remedies that can apply to a run: our own, and those of the installed integrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.trial.remedies import (
    compilation,
    contractions,
    debugging,
    device,
    garbage,
    neighbours,
    observers,
    processors,
    torch_settings,
)
from instrumented_calc.integration import Remedy, installed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from importlib.metadata import EntryPoint

    from instrumented_calc.integration import RunFacts

FAMILIES = (
    debugging,
    observers,
    contractions,
    neighbours,
    garbage,
    processors,
    torch_settings,
    compilation,
    device,
)


def remedies_for(facts: RunFacts) -> list[Remedy]:
    """Return the remedies that can apply to a run.

    Args:
        facts: What is known of the run as it is.
    """
    return list(_all_remedies(facts))


def remedies_named(facts: RunFacts, names: Collection[str]) -> list[Remedy]:
    """Return the remedies of these names, and load integrations only for a name that is not one of ours.

    An integration may import numpy: a program that sets thread variables first would then be another one.

    Args:
        facts: What is known of the run as it is.
        names: Names of remedies that can apply to it.

    Raises:
        ExperimentError: One of them does not apply here.
    """
    found: list[Remedy] = []
    every = _all_remedies(facts)
    while len(found) < len(names) and (remedy := next(every, None)) is not None:
        if remedy.name in names:
            found.append(remedy)
    if len(found) < len(names):
        message = (
            f"one of {', '.join(names)} cannot be made here from the facts of the recorded run; try again"
        )
        raise ExperimentError(message)
    return found


def _all_remedies(facts: RunFacts) -> Iterator[Remedy]:
    for module in FAMILIES:
        yield from module.remedies(facts)
    for entry_point in installed():
        yield from _offered(entry_point, facts)


def _offered(entry_point: EntryPoint, facts: RunFacts) -> list[Remedy]:
    """Return the remedies of an integration; of a broken one, its error."""
    try:
        offered = getattr(entry_point.load(), "remedies", None)
        return [] if offered is None else list(offered(facts))
    except Exception as error:  # noqa: BLE001 - anything that its author may have left
        obstacle = f"{entry_point.value} is broken: {type(error).__name__}: {error}"
        return [Remedy(f"remedies-of-{entry_point.name}", "", obstacle=obstacle)]
