"""`instrumented-calc env`: the environment a run here would have, as JSON, with secrets masked."""

from __future__ import annotations

import importlib
from datetime import datetime, timezone
from typing import Annotated, Any

import typer

from instrumented_calc._version import __version__
from instrumented_calc.capture.environment.full import full_environment
from instrumented_calc.errors import InstrumentedCalcError, TargetError
from instrumented_calc.intake.outgoing.masked_files import each_text
from instrumented_calc.intake.outgoing.masking import mask_paths
from instrumented_calc.plain_text import plain_json

SCHEMA = "instrumented-calc-env/1"
IMPORTABLE = ("torch", "jax", "numpy")


def env(
    load: Annotated[
        str,
        typer.Option("--import", metavar="torch,jax", help="Import these libraries and list their devices."),
    ] = "",
) -> None:
    """Print the environment as JSON: machine, libraries, threads, devices, revision, batch system."""
    names = [name.strip() for name in load.split(",") if name.strip()]
    for name in names:
        if name not in IMPORTABLE:
            message = f"--import {name}: unknown library; known: {', '.join(IMPORTABLE)}"
            raise TargetError(message)
    failed = {name: error for name in names if (error := _import(name))}
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "captured_at_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "instrumented_calc": __version__,
        **each_text(full_environment(), mask_paths),
    }
    if failed:
        found["import_failed"] = failed
    typer.echo(plain_json(found))
    if failed:
        reasons = "; ".join(f"{name}: {error}" for name, error in failed.items())
        message = f"cannot import {reasons}"
        raise InstrumentedCalcError(message)


def _import(name: str) -> str:
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - a broken installation raises anything
        return f"{type(error).__name__}: {error}"
    return ""
