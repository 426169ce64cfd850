"""State of the simulation at the end of a call: energies, temperature, cell, forces, positions.

Read in the calculating thread, from values already on the host: a device is never waited for, and no
calculator method is called.
"""

from __future__ import annotations

import sys
from typing import Any

from msgspec import UNSET

from instrumented_calc.capture.probes.conserved_energy import conserved_energy, kinetic_energy
from instrumented_calc.capture.probes.driver_targets import GPA, target_pressure, target_temperature
from instrumented_calc.foreign import own_faults_dropped
from instrumented_calc.journal.records import State

FEW_ATOMS = 64  # for which all distances are computed, in 0.1 ms
ATOMS_NAMED = 10


class LastPositions:
    """The positions at a lane's last state, to tell how far its atoms have moved since.

    Attributes:
        seen: Shape (n, 3), A; None before the first state.
    """

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen: Any = None


def read_state(  # noqa: PLR0913, PLR0917 - the data of a call
    index: int,
    results: Any,
    atoms: Any,
    driver: Any,
    energy: Any = UNSET,
    last: LastPositions | None = None,
) -> State:
    """Return the known values at the end of a call; unknown ones are absent.

    Args:
        index: Number of the call.
        results: The results of the call: a dictionary, or anything else if there are none.
        atoms: The calculated atoms, as the driver has them.
        driver: The driver that requested the call, or None.
        energy: The potential energy in eV, if the caller has it already.
        last: The positions at the previous state; replaced by those of this one.
    """
    state = State(index=index)
    if atoms is None or not isinstance(results, dict):
        return state
    import numpy as np

    with np.errstate(all="ignore"):  # whatever an exploded system holds, nobody is warned of our arithmetic
        _read(state, results, atoms, driver, energy, last)
    return state


def _read(  # noqa: PLR0913, PLR0917 - as above
    state: State, results: dict[str, Any], atoms: Any, driver: Any, energy: Any, last: LastPositions | None
) -> None:
    # Atoms and results belong to the user: unusual ones are not measured.
    read_step(state, driver)
    with own_faults_dropped():
        _read_energies(state, results, atoms, driver, energy)
    with own_faults_dropped():
        _read_targets(state, driver)
    with own_faults_dropped():
        _read_cell(state, atoms)
    with own_faults_dropped():
        _read_pressure(state, results)
    with own_faults_dropped():
        _read_forces(state, host_value(results.get("forces")))
    with own_faults_dropped():
        _read_positions(state, atoms, last)
    with own_faults_dropped():
        _read_results(state, results, atoms)


def read_step(state: State, driver: Any) -> None:
    """Read how many steps the driver has completed."""
    with own_faults_dropped():
        steps = getattr(driver, "nsteps", None)
        if isinstance(steps, int) and steps >= 0:
            state.step = steps


def _read_energies(state: State, results: dict[str, Any], atoms: Any, driver: Any, energy: Any) -> None:
    import numpy as np

    value = energy if energy is not UNSET else host_value(results.get("energy"))
    forces = host_value(results.get("forces"))
    if isinstance(value, (float, np.floating)):
        state.potential_ev = float(value)
    forces = forces if isinstance(forces, np.ndarray) else None
    found = kinetic_energy(driver, atoms, forces)
    if found is None:
        return
    state.kinetic_ev, momentum = found
    state.centre_kinetic_ev = float(momentum @ momentum / (2 * atoms.get_masses().sum()))
    freedom = atoms.get_number_of_degrees_of_freedom()
    if freedom > 0:
        from ase import units

        state.temperature_k = 2 * state.kinetic_ev / (freedom * units.kB)
    if not isinstance(state.potential_ev, float) or driver is None or forces is None:
        return
    free = host_value(results.get("free_energy"))  # the one that forces are the gradient of
    potential = float(free) if isinstance(free, (float, np.floating)) else state.potential_ev
    conserved = conserved_energy(driver, atoms, potential, state.kinetic_ev)
    if conserved is not None:
        state.conserved_ev = conserved


def _read_targets(state: State, driver: Any) -> None:
    temperature, pressure = target_temperature(driver), target_pressure(driver)
    if temperature is not None:
        state.target_k = temperature
    if pressure is not None:
        state.target_gpa = pressure


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


def _read_cell(state: State, atoms: Any) -> None:
    """Read the volume, and how far the farthest atom is outside the periodic cell."""
    if not atoms.pbc.all():
        return
    state.volume_a3 = float(atoms.cell.volume)
    scaled = atoms.cell.scaled_positions(atoms.positions)
    state.farthest_cells = float(abs(scaled - 0.5).max() + 0.5)


def _read_pressure(state: State, results: dict[str, Any]) -> None:
    import numpy as np

    stress = host_value(results.get("stress"))
    if (
        not isinstance(stress, np.ndarray)
        or stress.size not in {6, 9}
        or not isinstance(state.volume_a3, float)
    ):
        return
    trace = np.trace(stress) if stress.shape == (3, 3) else stress.reshape(-1)[:3].sum()
    kinetic = state.kinetic_ev if isinstance(state.kinetic_ev, float) else 0.0
    state.pressure_gpa = float((-trace / 3 + 2 * kinetic / (3 * state.volume_a3)) * GPA)


def _read_forces(state: State, forces: Any) -> None:
    import numpy as np

    if not isinstance(forces, np.ndarray) or forces.ndim != 2 or not len(forces):  # noqa: PLR2004 - atoms, axes
        return
    forces = np.asarray(forces, dtype=float)
    squares = (forces**2).sum(axis=1)
    state.net_force_ev_a = float((forces.sum(axis=0) ** 2).sum() ** 0.5)
    state.force_norm_ev_a = float(squares.sum() ** 0.5)
    # Fixed weights that repeat for no two components. Not a product of vectors, which may start threads.
    state.force_weighted_ev_a = float((np.sin(np.arange(1.0, forces.size + 1.0)) * forces.ravel()).sum())
    atom = int(squares.argmax())
    state.largest_force_ev_a, state.largest_force_atom = float(squares[atom] ** 0.5), atom


def _read_positions(state: State, atoms: Any, last: LastPositions | None) -> None:
    import numpy as np

    positions = np.asarray(atoms.positions, dtype=float)
    number = len(positions)
    state.extent_a = float(((positions - positions.mean(axis=0)) ** 2).sum(axis=1).max() ** 0.5)
    state.acting_constraints = [type(each).__name__ for each in atoms.constraints if _acts(each)] or UNSET
    fixed = [each.index for each in atoms.constraints if type(each).__name__ == "FixAtoms"]
    if fixed:
        state.fixed_atoms = len(np.unique(np.concatenate([np.arange(number)[each] for each in fixed])))
    if 2 <= number <= FEW_ATOMS:  # noqa: PLR2004 - a pair
        state.shortest_distance_a = _shortest_distance(positions, atoms)
    if last is not None:
        if last.seen is not None and last.seen.shape == positions.shape:
            state.moved_a = float(((positions - last.seen) ** 2).sum() ** 0.5)
        last.seen = positions.copy()


def _acts(constraint: Any) -> bool:
    """Return whether a constraint may push atoms, which those of ASE that fix something do not."""
    kind = type(constraint)
    return not (kind.__module__.startswith("ase.constraints") and kind.__name__.startswith("Fix"))


def _shortest_distance(positions: Any, atoms: Any) -> float:
    """Return the smallest distance; in a strongly skewed cell a shorter one to an image may be missed."""
    import numpy as np

    first, second = np.triu_indices(len(positions), 1)
    away = positions[first] - positions[second]
    if atoms.pbc.any() and abs(atoms.cell.volume) > 0:
        cell = np.asarray(atoms.cell)
        images = np.round(away @ np.linalg.inv(cell)) * atoms.pbc
        away = away - images @ cell
    return float((away**2).sum(axis=1).min() ** 0.5)


def _read_results(state: State, results: dict[str, Any], atoms: Any) -> None:
    """Read which results are not finite, of which atoms, and which still carry an autograd graph."""
    import numpy as np

    read = [(name, host_value(value)) for name, value in results.items()]
    names = [name for name, value in read if value is not None and not np.isfinite(value).all()]
    positions = host_value(atoms.positions)
    if positions is not None and not np.isfinite(positions).all():
        names.append("positions")
    if names:
        state.non_finite = names
        state.non_finite_atoms = atoms_not_finite(host_value(results.get("forces")), positions) or UNSET
    tensor = getattr(sys.modules.get("torch"), "Tensor", None)
    if tensor is not None:
        state.graph_retained = [
            name
            for name, value in results.items()
            if issubclass(type(value), tensor) and value.grad_fn is not None
        ] or UNSET


def atoms_not_finite(*arrays: Any) -> list[int]:
    """Return the first few atoms, from 0, whose row in one of the arrays is not finite.

    Args:
        *arrays: Arrays of shape (n, 3); others are ignored.
    """
    import numpy as np

    found: set[int] = set()
    for each in arrays:
        if isinstance(each, np.ndarray) and each.ndim == 2 and each.dtype.kind in "fc":  # noqa: PLR2004
            found.update(np.flatnonzero(~np.isfinite(each).all(axis=1))[:ATOMS_NAMED].tolist())
    return sorted(found)[:ATOMS_NAMED]
