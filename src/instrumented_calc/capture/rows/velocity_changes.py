"""Count the steps of velocity Verlet in which something else changed the velocities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from instrumented_calc.capture.calls.lane import LiveLane

# Forces of most models are in single precision, and so is ASE's product with the time step: 6e-8 of the kick.
ROUNDING = 1e-6


def note_momentum(lane: LiveLane, atoms: Any, driver: Any, forces: Any, step: int) -> None:
    """Compare a momentum with the one at the previous step.

    Between two calls of successive steps a momentum changes by F dt. One number tells whether all were
    scaled or drawn anew.

    Args:
        lane: The calculator's lane, whose driver is velocity Verlet.
        atoms: The calculated atoms.
        driver: The driver.
        forces: The forces of the call, eV/A.
        step: The driver's step.
    """
    try:
        momentum = atoms.arrays["momenta"].item(0)
        kick = driver.dt * forces.item(0)
    except Exception as error:  # a tensor, or no momenta
        if is_foreign(error):
            raise
        return
    if step == lane.next_step and abs(momentum - lane.next_momentum) > lane.momentum_rounding:
        lane.velocity_changes += 1
    lane.next_step = step + 1
    lane.next_momentum = momentum + kick
    lane.momentum_rounding = ROUNDING * (abs(momentum) + abs(kick))
