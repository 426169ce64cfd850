"""Options of `sweep run` that belong to one engine: those that do nothing are refused."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping


class Engine(str, Enum):
    """What runs the cells."""

    inline = "inline"
    processes = "processes"
    dask = "dask"


class Cluster(str, Enum):
    """Where Dask's workers run."""

    local = "local"
    slurm = "slurm"
    htcondor = "htcondor"


def refuse_ignored(engine: Engine, given: Mapping[str, object]) -> None:
    """Refuse an option that would do nothing.

    Args:
        engine: The engine.
        given: All options of engines and their values; None or False: not given.

    Raises:
        BadParameter: An option belongs to another engine or cluster.
    """
    for option, value in given.items():
        if value in (None, False):
            continue
        needed = _needed_for(option, engine, given)
        if needed:
            message = f"does nothing without {needed}; add that, or leave this out"
            raise typer.BadParameter(message, param_hint=option)
    if given["--scheduler-address"] is not None:
        for option in ("--cluster", "--workers"):
            if given[option] is not None:
                message = f"does nothing with --scheduler-address, whose workers are used; leave {option} out"
                raise typer.BadParameter(message, param_hint=option)


def _needed_for(option: str, engine: Engine, given: Mapping[str, object]) -> str:
    """Return the option without which another one does nothing; empty if all is there."""
    if option == "--workers":
        return "--engine processes or dask" if engine is Engine.inline else ""
    if engine is not Engine.dask:
        return "--engine dask"
    cluster = given["--cluster"]
    if option == "--memory" and cluster in (None, Cluster.local):
        return "--cluster slurm or htcondor"
    if option == "--walltime" and cluster is not Cluster.slurm:
        return "--cluster slurm"
    return ""
