"""Versions of the installed libraries."""

from __future__ import annotations

from functools import cache, partial
from importlib import metadata
from typing import Any

from instrumented_calc.capture.environment.sources import answers
from instrumented_calc.journal.records import Library

# Distributions whose version may affect a run's figures.
LIBRARIES = (
    "anisoap",
    "ase",
    "cuequivariance",
    "e3nn",
    "featomic",
    "fennol",
    "flax",
    "jax",
    "jaxlib",
    "mace-torch",
    "matscipy",
    "metatensor",
    "metatensor-core",
    "metatomic-torch",
    "numpy",
    "nvalchemi-toolkit-ops",
    "opt-einsum",
    "orb-models",
    "scipy",
    "torch",
    "torch-scatter",
    "triton",
    "vesin",
)


@cache  # a process keeps the loaded version, whatever is installed later
def libraries() -> list[Library]:
    """Return the installed libraries that may affect a run's figures."""
    versions = answers({name: partial(metadata.version, name) for name in LIBRARIES})
    return [Library(name, version) for name, version in versions.items()]


def packages() -> dict[str, str]:
    """Return the versions of all installed distributions, by lower-case name."""
    named = {(each.metadata["Name"] or "").lower(): each.version for each in metadata.distributions()}
    return {name: version for name, version in sorted(named.items()) if name}


def not_loaded(name: str) -> dict[str, Any]:
    """Describe a library that is not loaded: whether it is installed, and its version."""
    try:
        return {"installed": metadata.version(name), "imported": False}
    except metadata.PackageNotFoundError:
        return {"installed": False}
