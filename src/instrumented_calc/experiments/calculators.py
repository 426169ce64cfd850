"""Calculators by the name that a user types: `emt`, `lj`, `package.module:factory`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from instrumented_calc import integration
from instrumented_calc.errors import ModelError
from instrumented_calc.experiments.ranges import LONGEST_SHOWN
from instrumented_calc.naming import did_you_mean, import_object, is_module

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


EXAMPLE = "calc.py:make, where calc.py has: def make(): return MyCalculator()"


def build_calculator(spec: str) -> Any:
    """Build a calculator from its name.

    Args:
        spec: One of `known_forms()`: `emt`, `orb-v2`, `fennol:FILE`, ...; or
            `package.module:name` or `path/file.py:name`, a calculator or a factory that is called without
            arguments. A module with a single object needs no name. The working directory is searched.

    Raises:
        ModelError: The name is unknown, or the factory cannot be imported or fails.
    """
    if spec in KNOWN:
        return KNOWN[spec]()
    built = integration.build(spec)
    if built is not None:
        return built
    if not is_module(spec):
        hint = did_you_mean(spec, known_forms()) or f"known: {', '.join(_one_of_each())}, or {EXAMPLE}"
        message = f"unknown calculator {spec[:LONGEST_SHOWN]!r}; {hint}"
        raise ModelError(message)
    return _from_module(spec)


def known_forms() -> list[str]:
    """Return all that `build_calculator` knows by name: `emt`, `mace:FILE`, ..."""
    return [*KNOWN, *_offered("FORMS")]


def offered_specs() -> list[str]:
    """Return the calculators of the installed integrations that need no file."""
    return _offered("SPECS")


def _offered(what: str) -> list[str]:
    return [spec for each in integration.installed() for spec in getattr(each.load(), what, ())]


def _one_of_each() -> list[str]:
    """Return one form of each kind, for a short line: `orb-v2`, and not the other models of Orb."""
    return [*{re.split("[-:]", form)[0]: form for form in reversed(known_forms())}.values()][::-1]


def _from_module(spec: str) -> Any:
    try:
        found = import_object(spec)
        calculator = found if _is_calculator(found) or not callable(found) else found()
    except (Exception, SystemExit) as error:  # a script may end itself
        reason = (
            error
            if isinstance(error, (LookupError, FileNotFoundError))
            else f"{type(error).__name__}: {error}"
        )
        message = f"calculator {spec!r} cannot be built: {reason}"
        raise ModelError(message) from error
    if not _is_calculator(calculator):
        kind = type(calculator).__name__
        message = f"{spec!r} gives {kind}, not a calculator; name one, or a function that returns one"
        raise ModelError(message)
    return calculator


def _is_calculator(found: Any) -> bool:
    methods = ("calculate", "evaluate", "get_property", "get_potential_energy")
    return not isinstance(found, type) and any(callable(getattr(found, name, None)) for name in methods)
