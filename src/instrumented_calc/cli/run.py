"""`instrumented-calc run`: somebody's script, unchanged, with its calculators profiled."""

from __future__ import annotations

import runpy
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from instrumented_calc.errors import InstrumentedCalcError

# Everything after the script belongs to the script.
CONTEXT = {"allow_interspersed_args": False, "ignore_unknown_options": True}


def run(
    script: Annotated[list[str], typer.Argument(help="The script and its own arguments.")],
    journal: Annotated[
        Path | None, typer.Option(help="Journal to write; run.jsonl by default, numbered if taken.")
    ] = None,
) -> int:
    """Run a script with every calculator that it assigns to an Atoms profiled."""
    path = Path(script[0])
    if not path.is_file():
        message = f"{path}: no such script"
        raise InstrumentedCalcError(message)
    from instrumented_calc.run import is_switched_off, profile_assigned  # noqa: PLC0415 - `--help` stays light

    if not is_switched_off():
        profile_assigned(journal)
    # As the interpreter would: the script's folder first on the path, its name first in argv.
    sys.argv = script
    sys.path[0] = str(path.resolve().parent)
    try:
        runpy.run_path(str(path), run_name="__main__")
    except Exception as error:  # noqa: BLE001 - it is the script's, and shown as the interpreter would
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != str(path):
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace or error.__traceback__)
        return 1
    return 0
