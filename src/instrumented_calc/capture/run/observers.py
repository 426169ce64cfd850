"""Times the observers (loggers, trajectory writers) of a driver attached by the user."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instrumented_calc.capture.run.recorder import Recorder


def attach(recorder: Recorder, dyn: Any) -> None:
    """Follow a driver and time its observers, excluding calculations that they cause.

    Args:
        recorder: The run.
        dyn: An ASE dynamics or optimizer. Its `call_observers` is replaced on the instance until the run
            ends.
    """
    real = getattr(dyn, "call_observers", None)
    if real is None or "call_observers" in vars(dyn):
        recorder.follow(dyn, lambda: None)
        return
    clock = recorder.clock

    @functools.wraps(real)
    def call_observers(*args: Any, **kwargs: Any) -> Any:
        maker = recorder.maker
        if maker is None:
            return real(*args, **kwargs)
        start, calculated = clock(), maker.calculated_ns
        try:
            return real(*args, **kwargs)
        finally:
            inside = maker.calculated_ns - calculated
            maker.observers_ns += max(clock() - start - inside, 0)

    dyn.call_observers = call_observers
    recorder.follow(dyn, lambda: vars(dyn).pop("call_observers", None))
