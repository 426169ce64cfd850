"""State of the simulation at the end of a call, read periodically: energies, cell, results.

Read in the calculating thread, from values already on the host: a device is never waited for, and no
calculator method is called.
"""

from __future__ import annotations

import sys
from typing import Any

from msgspec import UNSET

from instrumented_calc.foreign import own_faults_dropped
from instrumented_calc.journal.records import State


def read_state(index: int, results: Any, atoms: Any, driver: Any) -> State:
    """Return the known values at the end of a call; unknown ones are absent.

    Args:
        index: Number of the call.
        results: The results of the call: a dictionary, or anything else if there are none.
        atoms: The calculated atoms, as the driver has them.
        driver: The driver that requested the call, or None.
    """
    state = State(index=index)
    if atoms is None or not isinstance(results, dict):
        return state
    # Atoms and results belong to the user: unusual ones are not measured.
    with own_faults_dropped():
        _read_energies(state, results, atoms, driver)
    with own_faults_dropped():
        _read_cell(state, atoms)
    with own_faults_dropped():
        _read_results(state, results)
    return state


def _read_energies(state: State, results: dict[str, Any], atoms: Any, driver: Any) -> None:
    """Read the total energy that velocity Verlet conserves.

    It requests forces between its two half-kicks; with the new forces the second one is known already: p(t +
    dt) = p(t + dt/2) + F(t + dt) dt/2 (Swope et al., J. Chem. Phys. 76, 637 (1982)).
    """
    import numpy as np

    energy, forces = host_value(results.get("energy")), host_value(results.get("forces"))
    if not isinstance(forces, np.ndarray) or not isinstance(energy, (float, np.floating)):
        return
    if type(driver).__name__ != "VelocityVerlet" or driver.atoms is not atoms or atoms.constraints:
        return
    if not _within_a_step(driver):
        return
    momenta = atoms.arrays["momenta"] + 0.5 * driver.dt * forces
    state.kinetic_ev = float(0.5 * (momenta**2 / atoms.get_masses()[:, None]).sum())
    state.conserved_ev = float(energy) + state.kinetic_ev


def host_value(value: Any) -> Any:
    """Return a real number or numpy array that the host has, or None; no code of a user's class runs.

    Args:
        value: Any result of a calculator. A subclass of float is read as the float it is; subclasses of
            numpy's types outside numpy are not read.
    """
    import numpy as np

    kind = type(value)
    if kind.__module__ == "numpy" and issubclass(kind, (np.floating, np.ndarray)):
        return value
    return float.__float__(value) if issubclass(kind, float) else None


def _within_a_step(driver: Any) -> bool:
    """Return whether the driver is inside `step()`; earlier forces belong to no step."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "step" and frame.f_locals.get("self") is driver:
            return True
        frame = frame.f_back
    return False


def _read_cell(state: State, atoms: Any) -> None:
    """Read the volume, and how far the farthest atom is outside the periodic cell."""
    if not atoms.pbc.all():
        return
    scaled = atoms.cell.scaled_positions(atoms.positions)
    state.farthest_cells = float(abs(scaled - 0.5).max() + 0.5)
    state.volume_a3 = float(atoms.cell.volume)


def _read_results(state: State, results: dict[str, Any]) -> None:
    """Read which results are not finite, and which still carry an autograd graph."""
    import numpy as np

    read = [(name, host_value(value)) for name, value in results.items()]
    state.non_finite = [
        name for name, value in read if value is not None and not np.isfinite(value).all()
    ] or UNSET
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    if tensor is not None:
        state.graph_retained = [
            name
            for name, value in results.items()
            if issubclass(type(value), tensor) and value.grad_fn is not None
        ] or UNSET
