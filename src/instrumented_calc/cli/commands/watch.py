"""`instrumented-calc watch`: a run in progress."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def watch(
    journal: Annotated[
        Path | None,
        typer.Argument(metavar="RUN.JSONL", help="Journal. Default: the newest in this folder."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print the present state as text and exit.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the present state as JSON and exit.")] = False,
) -> None:
    """Show a run in progress: speed, when it ends, memory, findings; or how it ended.

    Only reads the journal: any number of viewers can come and go, here or on a machine that shares the file
    system. Without a terminal, prints the state once.
    """
    from instrumented_calc.cli.watch_loop import watch_run

    watch_run(journal, once=once, as_json=json)
