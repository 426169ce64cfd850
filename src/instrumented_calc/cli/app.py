"""The commands, assembled."""

from __future__ import annotations

from typing import Annotated

import typer

from instrumented_calc._version import __version__
from instrumented_calc.cli.commands.bundle import bundle
from instrumented_calc.cli.commands.compare import TakesMany, compare
from instrumented_calc.cli.commands.compare_all import compare_all
from instrumented_calc.cli.commands.demo import demo
from instrumented_calc.cli.commands.env import env
from instrumented_calc.cli.commands.ingest import ingest
from instrumented_calc.cli.commands.profile import profile
from instrumented_calc.cli.commands.report import report
from instrumented_calc.cli.commands.run import CONTEXT, run
from instrumented_calc.cli.commands.scale import scale
from instrumented_calc.cli.commands.schema import schema
from instrumented_calc.cli.commands.study import study
from instrumented_calc.cli.commands.validate import validate

# In the order in which `--help` lists them.
COMMANDS = (report, profile, compare_all, scale, study, ingest, bundle, env, validate, schema)


def build_app() -> typer.Typer:
    """Build the command line with all commands."""
    app = typer.Typer(
        name="instrumented-calc",
        help="The flight recorder for atomistic simulation.",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        # Plain help is quicker and reads the same in a pipe.
        rich_markup_mode=None,
    )
    app.callback()(_options)
    app.command()(demo)
    app.command(context_settings=CONTEXT)(run)
    app.command(cls=TakesMany)(compare)
    for command in COMMANDS:
        app.command()(command)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"instrumented-calc {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Profile ASE calculators inside live molecular dynamics."""
