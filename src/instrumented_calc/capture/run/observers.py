"""Times the observers (loggers, trajectory writers) of a driver that calls them in its own way."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.places.observed_loop import uses_loop

if TYPE_CHECKING:
    from instrumented_calc.capture.run.recorder import Recorder


def attach(recorder: Recorder, dyn: Any) -> None:
    """Follow a driver and time its observers, excluding calculations that they cause.

    Observers that ASE's own method calls are timed in any case, once the driver is known.

    Args:
        recorder: The run.
        dyn: An ASE dynamics or optimizer, or another integrator. A `call_observers` of its own is replaced
            on the instance until the run ends.
    """
    real = getattr(dyn, "call_observers", None)
    if real is None or "call_observers" in vars(dyn) or uses_loop(dyn):
        recorder.follow(dyn, lambda: None)
        return
    clock = recorder.clock

    @functools.wraps(real)
    def call_observers(*args: Any, **kwargs: Any) -> Any:
        recording, maker = recorder.recording, recorder.maker
        if recording is None or maker is None:
            return real(*args, **kwargs)
        times = recording.observers
        start, inside = clock(), maker.calculated_ns + times.total_ns
        try:
            return real(*args, **kwargs)
        finally:
            spent = clock() - start - (maker.calculated_ns + times.total_ns - inside)
            maker.observers_ns += max(spent, 0)

    dyn.call_observers = call_observers
    recorder.follow(dyn, lambda: vars(dyn).pop("call_observers", None))
