"""The work of the forces between two successive calls, beside the change of the energy.

For forces that are the gradient of the energy, both sum to zero whatever moved the atoms: the energy depends
on the positions only, and over a small displacement the mean of the forces at its ends gives the work to the
third order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from instrumented_calc.capture.probes.state import host_value
from instrumented_calc.foreign import own_faults_dropped

if TYPE_CHECKING:
    from instrumented_calc.journal.records import State

LONGEST_A = 0.1  # displacement of an atom above which the third order may matter
# Change of the forces along the path, as a share of the forces: at a repulsive wall they grow many times.
STEEPEST = 0.7


class _Geometry(NamedTuple):
    energy: float
    forces: Any
    positions: Any
    cell: Any
    numbers: Any


class ForceWork:
    """Compares two successive geometries of a lane.

    Attributes:
        begun: Whether the first geometry has been read.
    """

    __slots__ = ("_first",)

    def __init__(self) -> None:
        self._first: _Geometry | None = None

    @property
    def begun(self) -> bool:
        """Whether the first geometry has been read."""
        return self._first is not None

    def begin(self, results: dict[str, Any], atoms: Any) -> None:
        """Keep the first geometry, if its energy and forces are on the host."""
        self._first = None
        with own_faults_dropped():
            self._first = _geometry(results, atoms)

    def end(self, state: State, results: dict[str, Any], atoms: Any) -> bool:
        """Set the work and the energy's change since the first geometry.

        Args:
            state: The state of this call, which gets `work_ev` and `energy_change_ev`.
            results: Results of the call.
            atoms: The calculated atoms; None if they are not the ones of the first geometry.

        Returns:
            Whether they could be compared: the same atoms in the same cell, close to each other.
        """
        first, self._first = self._first, None
        with own_faults_dropped():
            second = _geometry(results, atoms)
            if first is not None and second is not None:
                work = _work(first, second)
                if work is not None:
                    state.work_ev = work
                    state.energy_change_ev = second.energy - first.energy
                    return True
        return False


def _geometry(results: dict[str, Any], atoms: Any) -> _Geometry | None:
    if atoms is None:
        return None
    import numpy as np

    # The free energy is the one that forces are the gradient of.
    energy = host_value(results.get("free_energy", results.get("energy")))
    forces = host_value(results.get("forces"))
    if not isinstance(energy, (float, np.floating)) or not isinstance(forces, np.ndarray):
        return None
    positions = np.array(atoms.positions, dtype=float)
    if forces.shape != positions.shape or not len(positions):
        return None
    numbers = np.array(atoms.numbers)
    return _Geometry(float(energy), forces.astype(float), positions, np.array(atoms.cell), numbers)


def _work(first: _Geometry, second: _Geometry) -> float | None:
    import numpy as np

    if first.positions.shape != second.positions.shape or not np.array_equal(first.numbers, second.numbers):
        return None
    path = second.positions - first.positions
    if not np.array_equal(first.cell, second.cell) or not 0 < np.linalg.norm(path, axis=1).max() <= LONGEST_A:
        return None
    mean, change = (first.forces + second.forces) / 2, second.forces - first.forces
    if not abs(change * path).sum() <= STEEPEST * 2 * abs(mean * path).sum():
        return None
    return float((mean * path).sum())
