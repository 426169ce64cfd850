"""Calculators by the name that a user types: `emt`, `lj`, `package.module:factory`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc import integration
from instrumented_calc.errors import ModelError
from instrumented_calc.experiments.ranges import LONGEST_SHOWN
from instrumented_calc.naming import did_you_mean, import_object

if TYPE_CHECKING:
    from collections.abc import Callable


def _emt() -> Any:
    from ase.calculators.emt import EMT

    return EMT()


def _lennard_jones() -> Any:
    from ase.calculators.lj import LennardJones

    # Copper: Halicioglu and Pound, phys. stat. sol. (a) 30, 619 (1975).
    return LennardJones(sigma=2.338, epsilon=0.4093, rc=2.5 * 2.338, smooth=True)


def _morse() -> Any:
    from ase.calculators.morse import MorsePotential

    # Copper: Girifalco and Weizer, Phys. Rev. 114, 687 (1959); rho0 is alpha * r0.
    return MorsePotential(epsilon=0.3429, r0=2.866, rho0=1.3588 * 2.866)


KNOWN: dict[str, Callable[[], Any]] = {"emt": _emt, "lj": _lennard_jones, "morse": _morse}


def build_calculator(spec: str) -> Any:
    """Build a calculator from its name.

    Args:
        spec: One of `KNOWN`; a spec of an integration (`orb-v2`, `fennol:FILE.fnx`, `anisoap`); or
            `package.module:factory`, whose factory is called without arguments; the working directory is
            searched as well.

    Raises:
        ModelError: The name is unknown, or the factory cannot be imported or fails.
    """
    if spec in KNOWN:
        return KNOWN[spec]()
    built = integration.build(spec)
    if built is not None:
        return built
    if ":" not in spec:
        known = [*KNOWN, *offered_specs()]
        hint = f"{did_you_mean(spec, known)} known: {', '.join(known)}, or package.module:factory".lstrip()
        message = f"unknown calculator {spec[:LONGEST_SHOWN]!r}; {hint}"
        raise ModelError(message)
    return _from_factory(spec)


def offered_specs() -> list[str]:
    """Return the calculators that the installed integrations can build."""
    return [spec for each in integration.installed() for spec in getattr(each.load(), "SPECS", ())]


def _from_factory(spec: str) -> Any:
    try:
        return import_object(spec)()
    except Exception as error:
        message = f"calculator {spec!r} cannot be built: {type(error).__name__}: {error}"
        raise ModelError(message) from error
