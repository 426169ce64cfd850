"""The command line: one file a command, and the only place that prints.

Exit codes: 0 done, 1 the input could not be used or a gate failed, 2 wrong usage.
"""

from __future__ import annotations

import os
import sys

from instrumented_calc.errors import InstrumentedCalcError, TargetError

WRONG_USAGE = 2
INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Arguments after the program's name; those of the process by default.

    Returns:
        The exit code.
    """
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) has gone; what is still buffered must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except InstrumentedCalcError as error:
        _print_error(str(error))
        return WRONG_USAGE if isinstance(error, TargetError) else 1
    return code


def _run(argv: list[str]) -> int:
    import typer  # noqa: PLC0415 - importing this package stays light

    from instrumented_calc.cli.app import build_app  # noqa: PLC0415 - likewise

    # Some versions of typer carry their own click: its errors are known by typer's alone.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    command = typer.main.get_command(build_app())
    try:
        code = command.main(argv, prog_name="instrumented-calc", standalone_mode=False)
    except typer.Abort:
        return INTERRUPTED
    except usage_error as error:
        text = error.format_message() if hasattr(error, "format_message") else str(error)
        _print_error(f"{text} Try: instrumented-calc --help")
        return WRONG_USAGE
    return code if isinstance(code, int) else 0


def _print_error(text: str) -> None:
    print(f"error: {text}", file=sys.stderr)  # noqa: T201 - the only place that prints errors
