"""What the time between the calls of a driver is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from instrumented_calc.journal.records import Phase

NAMES = {"md": "integrator", "optimizer": "optimizer", "dynamics": "driver"}


def driver_name(phases: Collection[Phase]) -> str:
    """Return the name of what works between the calls of these drivers."""
    names = {NAMES.get(phase.kind, "driver") for phase in phases}
    if not names:
        return "outside the calculator"
    if any(phase.calculator for phase in phases):
        return "driver and other code"  # of a calculator that contains the recorded one
    return names.pop() if len(names) == 1 else "drivers"
