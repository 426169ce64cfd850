"""Finds the driver that requests forces: the integrator or optimizer, its step counter and its time step.

A driver is found in the stack of the calling thread, and only in frames of ASE's own modules. It is searched
again when its run has made all its steps or its step counter stops changing, so that relax -> NVT -> NPT
become three phases.
"""

from __future__ import annotations

import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.attribute_lookup import stored
from instrumented_calc.capture.calls.ensemble import ensemble_of
from instrumented_calc.capture.parts.terms import is_recorded
from instrumented_calc.capture.probes.driver_targets import relaxation_time
from instrumented_calc.capture.thread_stacks import all_stacks
from instrumented_calc.foreign import own_faults_dropped

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

# Searching a stack costs microseconds: after a failed search, wait for up to this many calls, unless they
# are so slow that the cost does not matter.
RAREST_SEARCH = 16
RAREST_CHECK = 8
SLOW_NS = 2_000_000
NEVER = 1 << 62  # steps
UNLIMITED = 100_000_000  # ASE's own number of steps for a driver that was given none

# Defines the base class of every ASE dynamics: until it is loaded, no thread runs one.
DYNAMICS = "ase.optimize.optimize"

DRIVER_MODULES = ("ase.optimize", "ase.md", "ase.mep", "ase.ga", "ase._4.optimize")


class DriverWatch:
    """Follows the driver of one wrapped calculator.

    Attributes:
        reference: Returns the driver, or None if none is known or it was collected.
        last_step: Its step counter at the last call.
        until: Number of steps after which its run has ended; NEVER if it does not count up to one.
        countdown: Calls until the next search, while no driver is known.
        phase: Number of the driver's phase, as assigned by the recorder; None while no driver is known.
    """

    __slots__ = ("_pause", "_stalled", "countdown", "last_step", "phase", "reference", "until")

    def __init__(self) -> None:
        self.reference: Callable[[], Any] = _no_driver
        self.last_step = -1
        self.until = NEVER
        self.phase: int | None = None
        self._stalled = 0
        self.countdown = self._pause = 1

    def follow(self, driver: Any, phase: int) -> None:
        """Follow this driver from now on."""
        self.reference = weakref.ref(driver)
        self.last_step = -1
        self.until = _last_step_of(driver)
        self.phase = phase
        self._stalled = 0
        self._pause = 1
        self.countdown = 0  # once it is collected, the next call searches again

    def search(self, current: Any, wall_ns: int) -> Any | None:
        """Search for a driver while none is known, or when the followed one may have ended.

        A run that has made all its steps is searched at once; a step counter that does not change may belong
        to a driver that calculates several times per step, so then the search is periodic.

        Args:
            current: The followed driver, or None.
            wall_ns: Duration of the call, ns.

        Returns:
            A new driver to follow from this call on, if there is one.
        """
        if current is None:
            if self.phase is not None:  # it is gone
                self.reference = _no_driver
                self.phase = None
                self._pause = 1
            self.countdown = 1 if wall_ns >= SLOW_NS else self._pause
            self._pause = min(2 * self._pause, RAREST_SEARCH)
            return find_driver()
        if current.nsteps >= self.until:
            found = find_driver()
            if found is current or found is None:  # run() again, or a calculation after the end
                self.until = _last_step_of(current)
                self._stalled, self._pause = 0, 1
                return None
            return found
        self._stalled += 1
        if self._stalled < self._pause and wall_ns < SLOW_NS:
            return None
        self._stalled = 0
        found = find_driver()
        if found is current or found is None:
            self._pause = min(2 * self._pause, RAREST_CHECK)
            return None
        return found


def _no_driver() -> None:
    return None


def _last_step_of(driver: Any) -> int:
    """Return the number of steps at which a driver's current run ends, as ASE's `run` stores it."""
    last = stored(driver, "max_steps")
    return last if type(last) is int and last > driver.nsteps else NEVER


def find_driver() -> Any | None:
    """Return the innermost ASE dynamics on the stack of this thread, else on that of the main thread."""
    found = _in_stack(sys._getframe(1))
    main = threading.main_thread().ident or 0
    if found is None and DYNAMICS in sys.modules and threading.get_ident() != main:
        # NEB's threads: the optimizer waits in the main thread.
        found = _in_stack(all_stacks().get(main))
    return found


def _in_stack(frame: FrameType | None) -> Any | None:
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(DRIVER_MODULES):
            names = frame.f_code.co_varnames
            candidate = frame.f_locals.get("self") if names[:1] == ("self",) else None
            if isinstance(getattr(candidate, "nsteps", None), int) and hasattr(candidate, "irun"):
                return candidate
        frame = frame.f_back
    return None


def describe(driver: Any) -> dict[str, Any]:
    """Return the fields of a `phase` record that describe a driver.

    Args:
        driver: An ASE dynamics or optimizer.

    Returns:
        `driver` (class name) and `kind`; for MD also `ensemble`, if the class is known, and
        `timestep_fs` and `thermostat_fs`, if it has a thermostat; `until_step`, if its run has a last step;
        `calculator`, the class that it asks, if that is not recorded itself.
    """
    described = _kind_of(driver)
    with own_faults_dropped():  # atoms of a user's class may be anything
        asked = getattr(getattr(driver, "atoms", None), "calc", None)
        if asked is not None and not is_recorded(asked):
            described["calculator"] = type(asked).__name__
    with own_faults_dropped():  # attributes of a user's subclass may be anything
        last = _last_step_of(driver)
        if last < UNLIMITED:
            described["until_step"] = last
    return described


def _kind_of(driver: Any) -> dict[str, Any]:
    name = type(driver).__name__
    md = getattr(sys.modules.get("ase.md.md"), "MolecularDynamics", ())
    optimizer = getattr(sys.modules.get("ase.optimize.optimize"), "Optimizer", ())
    if isinstance(driver, optimizer):
        return {"driver": name, "kind": "optimizer"}
    if not isinstance(driver, md):
        return {"driver": name, "kind": "dynamics"}
    from ase import units

    described: dict[str, Any] = {"driver": name, "kind": "md", "timestep_fs": float(driver.dt / units.fs)}
    with own_faults_dropped():  # attributes of a user's subclass may be anything
        ensemble = ensemble_of(driver)
        if ensemble:
            described["ensemble"] = ensemble
        time = relaxation_time(driver)
        if time is not None:
            described["thermostat_fs"] = time
    return described
