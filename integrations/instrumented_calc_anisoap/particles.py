"""The arrays that make atoms ellipsoids: `c_q` and `c_diameter[1]` to `c_diameter[3]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase.calculators.calculator import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ase import Atoms
    from numpy.typing import NDArray

QUATERNIONS = "c_q"
DIAMETERS = ("c_diameter[1]", "c_diameter[2]", "c_diameter[3]")
ARRAYS = (QUATERNIONS, *DIAMETERS)
UNIT_TOLERANCE = 1e-6


def rotations(quaternions: NDArray[Any]) -> NDArray[Any]:
    """Return orientations as matrices, (n, 3, 3), that turn a particle's own axes into the lab's.

    Args:
        quaternions: Orientations (w, x, y, z), (n, 4).
    """
    from scipy.spatial.transform import Rotation

    matrices: NDArray[Any] = Rotation.from_quat(quaternions[:, [1, 2, 3, 0]]).as_matrix()
    return matrices


def semiaxes(frames: list[Atoms]) -> NDArray[Any]:
    """Return the half diameters of all particles, (particles of all frames, 3), in A.

    Args:
        frames: Atoms with diameters.
    """
    return (
        np.concatenate([np.stack([atoms.arrays[name] for name in DIAMETERS], axis=1) for atoms in frames]) / 2
    )


def turned(quaternion: NDArray[Any], vector: NDArray[Any]) -> NDArray[Any]:
    """Return an orientation (w, x, y, z) turned about a fixed axis of the lab.

    Args:
        quaternion: The orientation.
        vector: The axis times the angle in radians.
    """
    half = np.linalg.norm(vector) / 2
    scalar, axial = np.cos(half), vector * np.sinc(half / np.pi) / 2
    w, xyz = quaternion[0], quaternion[1:]
    # The Hamilton product of the turn, on the left, with the orientation.
    return np.array([scalar * w - axial @ xyz, *(scalar * xyz + w * axial + np.cross(axial, xyz))])


def check_particles(atoms: Atoms) -> None:
    """Check for atoms that AniSOAP would fail on or, worse, misread.

    Args:
        atoms: Atoms of any kind.

    Raises:
        InputError: An array is missing, or has another shape or impossible values.
    """
    problem = next(_problems(atoms), None)
    if problem is not None:
        raise InputError(problem)


def _problems(atoms: Atoms) -> Iterator[str]:
    """Yield the errors of the arrays, one line each."""
    n = len(atoms)
    if n == 0:
        yield "no atoms: AniSOAP needs at least one particle"
    if "quaternion" in atoms.arrays:
        yield "atoms have an array 'quaternion', which AniSOAP refuses: rename it to 'c_q' (w, x, y, z)"
    for name, shape in [(QUATERNIONS, (n, 4)), *((name, (n,)) for name in DIAMETERS)]:
        if name not in atoms.arrays:
            yield f"atoms have no array {name!r}: atoms.set_array({name!r}, values), of shape {shape}"
        elif atoms.arrays[name].shape != shape:
            yield f"the array {name!r} has shape {atoms.arrays[name].shape}: it must be {shape}"
        elif atoms.arrays[name].dtype.kind not in "fiu":
            yield f"the array {name!r} holds {atoms.arrays[name].dtype}: it must hold real numbers"
    norms = np.linalg.norm(atoms.arrays[QUATERNIONS], axis=1)
    for i in np.flatnonzero(~(np.abs(norms - 1) <= UNIT_TOLERANCE)):
        yield f"'c_q' of atom {i} has length {norms[i]:.6g}: quaternions (w, x, y, z) must have length 1"
    for name in DIAMETERS:
        diameters = atoms.arrays[name]
        for i in np.flatnonzero(~((diameters > 0) & np.isfinite(diameters))):
            yield f"{name!r} of atom {i} is {diameters[i]:.6g}: diameters must be above 0 A"
