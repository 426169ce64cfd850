"""AniSOAP as an ASE calculator: a descriptor, a linear energy, and its derivatives by differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.outputs import Properties, all_outputs

from instrumented_calc_anisoap.hypers import Hypers
from instrumented_calc_anisoap.particles import ARRAYS, QUATERNIONS, check_particles, turned
from instrumented_calc_anisoap.power_spectrum import PowerSpectrum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from instrumented_calc_anisoap.model import Model


class AniSOAPCalculator(Calculator):
    """Descriptor, energy, forces and torques of ellipsoids.

    Atoms carry the arrays `c_q`, orientations (w, x, y, z), and `c_diameter[1]` to `c_diameter[3]` in A.
    ASE's molecular dynamics moves the particles and leaves their orientations unchanged. The expansion ends
    at the cutoff with a small jump, and so does the energy; the forces are those of the current neighbours,
    and ignore the jump.

    Args:
        model: A linear model; settings alone give the descriptor and nothing else.
        fd_step: Displacement of particles for the forces, in A. From 1e-3 to 1e-6 the forces differ by less
            than one part in a million.
        rot_step: Rotation of particles for the torques, in radians.
        **options: ASE's own, such as `directory`.

    Raises:
        ModelError: anisoap is not installed, or cannot use the settings.
    """

    implemented_properties = [  # noqa: RUF012 - as ASE declares it
        "energy",
        "free_energy",
        "forces",
        "torques",
        "descriptor",
    ]

    def __init__(
        self, model: Model | Hypers, *, fd_step: float = 1e-4, rot_step: float = 1e-3, **options: Any
    ) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call] # of ASE, like those below
        self.model = None if isinstance(model, Hypers) else model
        self.power_spectrum = PowerSpectrum(model if isinstance(model, Hypers) else model.hypers)
        self.fd_step = fd_step
        self.rot_step = rot_step
        if self.model is None:
            self.implemented_properties = ["descriptor"]

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """Return the changes since the last calculation, including orientations and diameters.

        Args:
            atoms: The current atoms.
            tol: Of ASE's own comparison.
        """
        changes: list[str] = super().check_state(atoms, tol)  # type: ignore[no-untyped-call]
        if self.atoms is None:
            return changes
        before: Any = self.atoms.arrays
        now: Any = atoms.arrays
        return changes + [name for name in ARRAYS if not np.array_equal(now.get(name), before.get(name))]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute the requested properties, with all frames that they need in one batch.

        Args:
            atoms: Of N particles; those of the last call by default.
            properties: `forces` takes 6N more frames, and so does `torques`.
            system_changes: As passed by ASE.

        Raises:
            InputError: The particles' arrays are invalid, or their species are not the model's.
        """
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        frame: Any = self.atoms
        check_particles(frame)
        if self.model is not None:
            self.model.check_species(frame)
        moved = list(_displaced(frame, self.fd_step)) if "forces" in properties else []
        rotated = list(_rotated(frame, self.rot_step)) if "torques" in properties else []
        descriptors = self.power_spectrum([frame, *moved, *rotated], variants=True)
        self.results["descriptor"] = descriptors[0]
        if self.model is None:
            return
        energy, *others = self.model.energies(descriptors).tolist()
        self.results |= {"energy": energy, "free_energy": energy}
        if moved:
            self.results["forces"] = _descent(others[: len(moved)], self.fd_step)
        if rotated:
            self.results["torques"] = _descent(others[len(moved) :], self.rot_step)

    def export_properties(self) -> Properties:
        """Return the results that ASE has a name for."""
        return Properties({name: value for name, value in self.results.items() if name in all_outputs})


def _displaced(atoms: Atoms, step: float) -> Iterator[Atoms]:
    """Displace each particle in both directions along x, y and z."""
    for i in range(len(atoms)):
        for shift in _steps(step):
            frame = atoms.copy()
            frame.positions[i] += shift
            yield frame


def _rotated(atoms: Atoms, step: float) -> Iterator[Atoms]:
    """Rotate each particle in both directions about the lab's x, y and z through its centre."""
    for i in range(len(atoms)):
        for vector in _steps(step):
            frame = atoms.copy()
            quaternions = frame.arrays[QUATERNIONS] = frame.arrays[QUATERNIONS].astype(float)
            quaternions[i] = turned(quaternions[i], vector)
            yield frame


def _steps(step: float) -> list[NDArray[Any]]:
    return [sign * step * axis for axis in np.eye(3) for sign in (1, -1)]


def _descent(energies: list[float], step: float) -> NDArray[Any]:
    """Return minus the central differences, (N, 3)."""
    forth, back = np.reshape(energies, (-1, 3, 2)).transpose(2, 0, 1)
    descent: NDArray[Any] = (back - forth) / (2 * step)
    return descent
