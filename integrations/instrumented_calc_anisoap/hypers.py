"""Settings of a descriptor: AniSOAP's own, by its own names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

BASES = ("gto", "monomial")


@dataclass(frozen=True)
class Hypers:
    """The settings of an AniSOAP power spectrum.

    Attributes:
        max_angular: Largest angular channel l.
        radial_basis_name: `gto` or `monomial`.
        cutoff_radius: Cutoff of the neighbour list, in A. AniSOAP's expansion ends there with a small jump.
        radial_gaussian_width: Width of the `gto` functions, in A; None for `monomial`.
        max_radial: Largest n, for every l or one for each; (max_angular - l) // 2 by default.
        subtract_center_contribution: Whether a particle is left out of its own neighbours.
        basis_rcond: Smallest eigenvalue of the radial overlap that is inverted.
        basis_tol: Largest error of the inverted overlap.

    Raises:
        ModelError: AniSOAP could not use these settings.
    """

    max_angular: int = 6
    radial_basis_name: str = "gto"
    cutoff_radius: float = 7.0
    radial_gaussian_width: float | None = 1.5
    max_radial: int | tuple[int, ...] | None = None
    subtract_center_contribution: bool = False
    basis_rcond: float = 1e-8
    basis_tol: float = 1e-3

    def __post_init__(self) -> None:
        """Check for settings that AniSOAP refuses or would fail on later."""
        problem = next(_problems(self), None)
        if problem is not None:
            raise ModelError(problem)

    @property
    def radial_functions(self) -> tuple[int, ...]:
        """Number of radial functions of each l, from 0 to max_angular."""
        if self.max_radial is None:
            return tuple((self.max_angular - ell) // 2 + 1 for ell in range(self.max_angular + 1))
        if isinstance(self.max_radial, int):
            return (self.max_radial + 1,) * (self.max_angular + 1)
        return tuple(n + 1 for n in self.max_radial)

    def n_features(self, n_species: int) -> int:
        """Return the length of a frame's descriptor, S^3 sum_l n_l^2 for S species.

        Args:
            n_species: Number of species present.
        """
        return n_species**3 * sum(n * n for n in self.radial_functions)


def _problems(hypers: Hypers) -> Iterator[str]:
    """Yield the errors of the settings, one line each."""
    for name in ("cutoff_radius", "radial_gaussian_width"):
        length = getattr(hypers, name)
        if length is not None and not isinstance(length, float):
            yield f"{name}={length!r}: AniSOAP needs a float, such as 7.0"
        elif length is not None and not length > 0:
            yield f"{name}={length!r}: must be above 0 A"
    if not isinstance(hypers.max_angular, int) or hypers.max_angular < 0:
        yield f"max_angular={hypers.max_angular!r}: use 0, 1, 2, ..."
    if hypers.radial_basis_name not in BASES:
        yield f"radial_basis_name={hypers.radial_basis_name!r}: use one of {', '.join(BASES)}"
    if (hypers.radial_basis_name == "gto") != (hypers.radial_gaussian_width is not None):
        yield (
            f"radial_gaussian_width={hypers.radial_gaussian_width!r}: gto needs a width in A, and monomial "
            "takes None"
        )
    if hypers.max_radial is not None and not _are_radial(hypers.max_radial, hypers.max_angular):
        yield (
            f"max_radial={hypers.max_radial!r}: use None, one number, or a tuple of one for each l, "
            f"{hypers.max_angular + 1} in all"
        )


def _are_radial(max_radial: int | tuple[int, ...], max_angular: int) -> bool:
    if isinstance(max_radial, int):
        return max_radial >= 0
    return (
        isinstance(max_radial, tuple)
        and len(max_radial) == max_angular + 1
        and all(isinstance(n, int) and n >= 0 for n in max_radial)
    )
