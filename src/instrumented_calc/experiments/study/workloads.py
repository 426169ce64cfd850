"""Finds a workload by its name: built in, offered by an integration, or made by a user's own factory."""

from __future__ import annotations

from instrumented_calc import integration
from instrumented_calc.errors import ExperimentError
from instrumented_calc.integration import Workload
from instrumented_calc.naming import did_you_mean, import_object, is_module

BUILT_IN = ("einsum",)


def find_workload(spec: str) -> Workload:
    """Return a workload.

    Args:
        spec: `einsum`; a workload of an integration, such as `anisoap:ellipsoids`; or
            `package.module:factory`, whose factory returns a `Workload`; the working directory is searched
            as well.

    Raises:
        ExperimentError: There is none of this name, or its factory failed.
        ModelError: An integration recognises it, but cannot build it.
    """
    if spec == "einsum":
        from instrumented_calc.experiments.study.contraction import (
            einsum_workload,
        )

        return einsum_workload()
    for entry_point in integration.installed():
        offer = getattr(entry_point.load(), "study", None)
        found: Workload | None = None if offer is None else offer(spec)
        if found is not None:
            return found
    if not is_module(spec):
        known = known_workloads()
        hint = did_you_mean(spec, known) or f"known: {', '.join(known)}, or package.module:factory"
        message = f"unknown workload {spec!r}; {hint}"
        raise ExperimentError(message)
    return _from_factory(spec)


def known_workloads() -> list[str]:
    """Return the built-in workloads, and those offered by the installed integrations."""
    offered = (getattr(each.load(), "STUDIES", ()) for each in integration.installed())
    return [*BUILT_IN, *(name for names in offered for name in names)]


def _from_factory(spec: str) -> Workload:
    try:
        found = import_object(spec)
        found = found if isinstance(found, Workload) else found()
    except Exception as error:
        message = f"workload {spec!r} cannot be built: {type(error).__name__}: {error}"
        raise ExperimentError(message) from error
    if not isinstance(found, Workload) or not found.cases:
        message = f"workload {spec!r}: the factory must return a Workload with cases"
        raise ExperimentError(message)
    return found
