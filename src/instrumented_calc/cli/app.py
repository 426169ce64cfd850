"""The command line: lists the commands, and loads the module of a command when it is called.

Each command is a function in a module of the same name in `commands`. `--help` loads none of these modules,
which import numpy and ASE, and stays quick.
"""

from __future__ import annotations

import os
from importlib import import_module
from keyword import iskeyword
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from instrumented_calc.cli.border import PROGRAM
from instrumented_calc.cli.without_parser import print_version

# In the order and with the words of `--help`.
COMMANDS = {
    "demo": "Profile a short run of copper and print its summary.",
    "run": "Run a script and profile its calculators.",
    "compare": "Compare runs before and after a change.",
    "gate": "Run two commands in turn until it is sure whether one is slower.",
    "try": "Try remedies on a script: what is faster, with equal values.",
    "report": "Report on journals: speed, time, memory, findings.",
    "watch": "Watch a run in progress.",
    "profile": "Profile a calculator in live MD or on saved frames.",
    "compare-all": "Profile every installed model on the same system.",
    "scale": "Measure how time and memory grow with the number of atoms.",
    "sweep": "Run models x systems x sizes x replicates, here or on a cluster.",
    "size": "Predict the time and memory of a job, with the lines of its job script.",
    "study": "Compare NumPy, NumPy with torch's einsum, and torch.",
    "ingest": "Read bundles of results and check them.",
    "bundle": "Pack journals, tables and figures into one archive.",
    "env": "Print the environment as JSON.",
    "validate": "Check journals against the schema.",
    "schema": "Print the JSON Schema of a journal's lines.",
}
# Commands that only read journals, and the settings with which numpy serves them best: without linear algebra
# its threads only spin (50 ms per processor), and huge pages make every column up to 2 MB larger.
READERS = ("compare", "report", "size")
NUMPY_SETTINGS = {"OPENBLAS_NUM_THREADS": "1", "NUMPY_MADVISE_HUGEPAGE": "0"}


class LazyGroup(TyperGroup):
    """A group that loads a command when it is called."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands: Any = dict.fromkeys(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; None if there is no command of this name."""
        if cmd_name in COMMANDS and self.commands[cmd_name] is None:
            self.commands[cmd_name] = load_command(cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is named; a file in its place names the command that takes it."""
        if args and args[0] not in COMMANDS and (meant := command_for_file(args[0])):
            ctx.fail(f"No such command {args[0]!r}. Did you mean: {PROGRAM} {meant} {args[0]}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer's signature
        """Write the list of commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


def command_for_file(name: str) -> str | None:
    """Return the command that takes a file: `report` for a journal, `run` for a script."""
    if not os.path.isfile(name):  # noqa: PTH113 - pathlib raises for odd names
        return None
    if name.endswith(".jsonl"):
        return "report"
    return "run" if name.endswith(".py") else None


def load_command(name: str) -> Any:
    """Import the module of a command and return its function as a command of typer.

    A module may hold `COMMAND_OPTIONS`, the keyword arguments of `typer.Typer.command`, or instead of the
    function `GROUP`, an application with commands of its own.
    """
    if name in READERS:
        for variable, value in NUMPY_SETTINGS.items():
            os.environ.setdefault(variable, value)  # numpy reads them when it is loaded
    function = name.replace("-", "_")
    if iskeyword(function):  # `try`
        function += "_"
    module = import_module(f"instrumented_calc.cli.commands.{function}")
    group: typer.Typer | None = getattr(module, "GROUP", None)
    if group is not None:
        return typer.main.get_command(group)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(**getattr(module, "COMMAND_OPTIONS", {}))(getattr(module, function))
    return typer.main.get_command(app)


def build_app() -> typer.Typer:
    """Build the command line with all commands."""
    app = typer.Typer(
        name=PROGRAM,
        cls=LazyGroup,
        help="The flight recorder for atomistic simulation.",
        context_settings={"help_option_names": ["-h", "--help"]},
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        # Plain help is quicker and reads the same in a pipe.
        rich_markup_mode=None,
    )
    app.callback()(_options)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        print_version()
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Profile ASE calculators inside live molecular dynamics."""
