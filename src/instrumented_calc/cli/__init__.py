"""The command line: one file per command, and the only place that prints. Exit codes: see `border`."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from instrumented_calc.cli.border import INTERRUPTED, PROGRAM, WRONG_USAGE, guarded, print_error
from instrumented_calc.cli.plain_errors import usage_words
from instrumented_calc.cli.without_parser import without_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.cli.script import Script

COMPLETE = "_INSTRUMENTED_CALC_COMPLETE"  # set by the script that `--install-completion` writes


def main(argv: list[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Arguments after the program name; default: those of the process.

    Returns:
        The exit code. `run` instead ends as its script does, with the exceptions of the script.
    """
    arguments = sys.argv[1:] if argv is None else argv
    scripts: list[Script] = []
    code = guarded(lambda: _run(arguments, scripts))
    # Outside the border: exceptions of a user's script are not ours to catch.
    for script in scripts:
        script.execute()
    return code


def _run(argv: list[str], scripts: list[Script]) -> int:
    """Run a command; `run` only prepares its script, which is added to `scripts`."""
    function = None if os.environ.get(COMPLETE) else without_parser(argv)
    if function is None:
        return _parse_and_run(argv, scripts)
    with _any_text_printable():
        function()
    return 0


def _parse_and_run(argv: list[str], scripts: list[Script]) -> int:
    import typer

    from instrumented_calc.cli.app import build_app

    # Some versions of typer bundle their own click, so its error classes are reached through typer.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    command: Any = typer.main.get_command(build_app())
    if os.environ.get(COMPLETE):
        return int(command.main([*argv], PROGRAM, standalone_mode=False) or 0)
    try:
        # Not command.main(), which turns Ctrl-C and a broken pipe into exits of its own.
        with _any_text_printable(), command.make_context(PROGRAM, [*argv]) as context:
            result = command.invoke(context)
    except typer.Exit as asked:
        return int(asked.exit_code)
    except typer.Abort:
        return INTERRUPTED
    except usage_error as error:
        return _wrong_usage(error, argv)
    if result is None or isinstance(result, int):
        return result or 0
    scripts.append(result)  # only of `run`; importing its class here would cost every command 3 ms
    return 0


def _wrong_usage(error: Any, argv: list[str]) -> int:
    from instrumented_calc.cli.app import COMMANDS

    text = usage_words(error)
    if type(error).__name__ == "NoArgsIsHelpError":  # its text is the help
        print(text, file=sys.stderr)  # noqa: T201 - help, not an error
    else:
        context = getattr(error, "ctx", None)
        asked = PROGRAM if context is None else context.command_path
        if asked == PROGRAM and argv[:1] and argv[0] in COMMANDS:  # click does not always know it
            asked = f"{PROGRAM} {argv[0]}"
        stop = "" if text.endswith((".", "?")) else "."
        print_error(f"{text}{stop} Try: {asked} --help")
    return WRONG_USAGE


@contextmanager
def _any_text_printable() -> Iterator[None]:
    """Let stdout escape characters that its encoding lacks, such as a file name that is not UTF-8."""
    stream: Any = sys.stdout
    if stream is None or getattr(stream, "errors", None) != "strict" or not hasattr(stream, "reconfigure"):
        yield
        return
    stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        stream.reconfigure(errors="strict")  # the script gets the original stream
