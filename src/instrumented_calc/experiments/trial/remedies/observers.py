"""Observers, loggers and trajectory writers called less often."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from instrumented_calc.integration import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.integration import RunFacts

WORTH_SHARE = 0.05  # of the wall time; below, the gain is hardly measurable
TIMES = 10


def remedies(facts: RunFacts) -> Iterator[Remedy]:
    """Yield ten times the intervals of ASE's observers, where they take time.

    Args:
        facts: What is known of the run as it is.
    """
    if "ase" in facts.modules and (facts.observers_share or 0.0) >= WORTH_SHARE:
        yield Remedy(
            "observers-rarely",
            f"{TIMES} times the interval= of attach(), and the loginterval= of logger and trajectory; fewer"
            " frames are written",
            trials=("without-observers",),
            at_import={"ase.optimize.optimize": attach_rarely},
            seek=r"\.attach\(|loginterval|trajectory=|logfile=",
        )


def attach_rarely(module: Any) -> None:
    """Make ASE's drivers call their observers less often.

    Args:
        module: `ase.optimize.optimize`.
    """
    # The base of all drivers, of dynamics and of optimizers; its name depends on the version of ASE.
    base = next(each for each in module.Dynamics.__mro__ if "attach" in vars(each))
    real = base.attach

    @functools.wraps(real)
    def attach(self: Any, function: Any, interval: int = 1, *args: Any, **kwargs: Any) -> Any:
        # A negative interval is a single step, at which the observer is called.
        return real(self, function, interval * TIMES if interval > 0 else interval, *args, **kwargs)

    base.attach = attach
