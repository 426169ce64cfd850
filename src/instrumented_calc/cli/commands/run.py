"""`instrumented-calc run`: run an unmodified script and profile its calculators."""

from __future__ import annotations

import atexit
import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from instrumented_calc.api import Assigned, is_switched_off
from instrumented_calc.capture.environment.environment import mpi_rank
from instrumented_calc.capture.notices import warn
from instrumented_calc.capture.run.journal_path import DEFAULT_JOURNAL
from instrumented_calc.cli.options import WRITES_JOURNAL, check_journal
from instrumented_calc.cli.script import Script

# Everything after the script name belongs to the script.
COMMAND_OPTIONS = {
    "context_settings": {"allow_interspersed_args": False, "ignore_unknown_options": True, **WRITES_JOURNAL}
}


def run(
    script: Annotated[list[str], typer.Argument(help="The script and its own arguments.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Journal to write. Default: run.jsonl; a number is added if taken."
        ),
    ] = None,
    is_module: Annotated[bool, typer.Option("-m", help="Run a module, as `python -m` does.")] = False,
) -> Any:
    """Run a script and profile every calculator that it assigns to an Atoms object."""
    prepared = Script(script, is_module=is_module)
    if not is_switched_off():
        check_journal(Path(DEFAULT_JOURNAL) if output is None else output)
        assigned = Assigned(output)
        atexit.register(_say_if_nothing_is_recorded, assigned, prepared, os.getpid())
    return prepared


def _say_if_nothing_is_recorded(assigned: Assigned, script: Script, own_process: int) -> None:
    """Explain why the requested journal is missing.

    Forked children and other MPI ranks stay silent; after a traceback, that is the reason.
    """
    if os.getpid() != own_process or mpi_rank() or script.failed:
        return
    reason = assigned.why_nothing_is_recorded()
    if reason is not None:
        with suppress(OSError, ValueError):  # stderr may be closed or full
            warn(reason)
