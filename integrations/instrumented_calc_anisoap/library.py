"""Imports from anisoap, and the messages if they fail."""

from __future__ import annotations

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.errors import ModelError

if TYPE_CHECKING:
    from instrumented_calc_anisoap.hypers import Hypers


def library() -> Any:
    """Return AniSOAP's module, through which all of its parts are accessed.

    Raises:
        ModelError: It is not installed, or with an incompatible metatensor.
    """
    try:
        module = import_module("anisoap.representations.ellipsoidal_density_projection")
    except ImportError as error:
        message = f"anisoap cannot be imported ({error}): pip install 'instrumented-calc[anisoap]'"
        raise ModelError(message) from error
    if not hasattr(module.TensorMap, "blocks_matching"):
        found = metadata.version("metatensor-core")
        message = f"anisoap fails with metatensor-core {found}: pip install 'metatensor-core<0.2'"
        raise ModelError(message)
    return module


def radial_basis(hypers: Hypers) -> Any:
    """Return AniSOAP's radial functions, with their overlaps.

    Args:
        hypers: The settings.

    Raises:
        ModelError: The functions are too many to be distinguished.
    """
    anisoap = library()
    settings = {
        "max_angular": hypers.max_angular,
        "cutoff_radius": hypers.cutoff_radius,
        "max_radial": [n - 1 for n in hypers.radial_functions],
        "rcond": hypers.basis_rcond,
        "tol": hypers.basis_tol,
    }
    if hypers.radial_basis_name == "monomial":
        basis = anisoap.MonomialBasis(**settings)
    else:
        basis = anisoap.GTORadialBasis(radial_gaussian_width=hypers.radial_gaussian_width, **settings)
    _check_overlaps(basis, hypers)
    return basis


def _check_overlaps(basis: Any, hypers: Hypers) -> None:
    """Check for functions that AniSOAP would fail to orthonormalise at the first call."""
    inverse_root = import_module("anisoap.representations.radial_basis").inverse_matrix_sqrt
    for ell, n in enumerate(hypers.radial_functions):
        powers = ell + 2 * np.arange(n)
        try:
            inverse_root(basis.overlap_matrix[np.ix_(powers, powers)], hypers.basis_rcond, hypers.basis_tol)
        except ValueError as error:
            message = (
                f"the {n} radial functions of l={ell} are too alike to be orthonormalised: lower max_radial "
                f"or raise basis_tol={hypers.basis_tol:g}"
            )
            raise ModelError(message) from error
