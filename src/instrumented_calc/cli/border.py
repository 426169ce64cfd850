"""Turn any error inside a command into one line on stderr and an exit code.

| code | meaning |
|------|---------|
| 0 | done |
| 1 | a target or a gate is missed |
| 2 | wrong usage |
| 3 | not sure whether a limit is exceeded |
| 4 | the runs are not comparable, or simulations of a sweep are broken |
| 5 | the input could not be used |
| 70 | a fault of instrumented-calc |
| 130 | interrupted by Ctrl-C |
| 141 | the reader of the output has gone |
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.cli.plain_errors import in_options
from instrumented_calc.errors import InstrumentedCalcError, JournalPathError, SettingsError, TargetError
from instrumented_calc.plain_text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = "instrumented-calc"
WRONG_USAGE = 2
UNUSABLE_INPUT = 5
OUR_FAULT = 70
INTERRUPTED = 130
BROKEN_PIPE = 141
DEBUG = "INSTRUMENTED_CALC_DEBUG"
LONGEST_WORD, LONGEST_LINE = 120, 190  # characters; longer text is cut in the middle
SHORT_WORD = 40  # if the line would become too long


def guarded(command: Callable[[], int]) -> int:
    """Run a command; print an exception as one line on stderr and return the exit code.

    Args:
        command: Returns the exit code.

    Raises:
        Exception: Whatever the command raised, if `INSTRUMENTED_CALC_DEBUG=1` requests the traceback.
    """
    try:
        code = command()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.stdout)
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if os.environ.get(DEBUG) == "1":
            raise
        text, code = _explain(error)
        if isinstance(error, OSError) and error.filename is None:
            _discard(sys.stdout)  # buffered text would fail again at exit, with a traceback
        print_error(text)
    return code


def _explain(error: Exception) -> tuple[str, int]:
    """Return the message for an error, and the exit code."""
    if isinstance(error, JournalPathError):
        return error.with_option("--output"), UNUSABLE_INPUT
    if isinstance(error, (TargetError, SettingsError)):
        return in_options(str(error)), WRONG_USAGE
    if isinstance(error, InstrumentedCalcError):
        return in_options(str(error)), UNUSABLE_INPUT
    if isinstance(error, MemoryError):
        return "out of memory; ask for fewer atoms, steps or journals", UNUSABLE_INPUT
    if isinstance(error, OSError):
        return _explain_os_error(error), UNUSABLE_INPUT
    hint = f"please report it with the traceback ({DEBUG}=1 shows it)"
    return (
        f"internal error in instrumented-calc: {type(error).__name__}: {error}{_place(error)}; {hint}",
        OUR_FAULT,
    )


def _explain_os_error(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is not None:
        name = error.filename
        return f"{os.fsdecode(name) if isinstance(name, (str, bytes)) else name}: {reason}"
    if isinstance(error, FileNotFoundError):  # as os.getcwd() raises it
        return "the working directory was deleted; change to another directory"
    return f"cannot write the output: {reason}"


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"


def print_error(text: str) -> None:
    """Print an error as one line on stderr, if stderr is open."""
    if sys.stderr is None:
        return
    try:
        print(f"error: {one_line(text)}", file=sys.stderr, flush=True)  # noqa: T201 - all errors, and only here
    except OSError:
        _discard(sys.stderr)


def one_line(text: str) -> str:
    """Return a text without line breaks and control characters; long words and long texts are cut."""
    words = [printable(word) for word in text.split()]
    line = " ".join(_cut(word, LONGEST_WORD) for word in words)
    if len(line) > LONGEST_LINE:
        line = " ".join(_cut(word, SHORT_WORD) for word in words)
    return _cut(line, LONGEST_LINE)


def _cut(text: str, longest: int) -> str:
    half = (longest - 3) // 2
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"


def _discard(stream: Any) -> None:
    """Redirect a stream's buffered output to the null device."""
    with suppress(OSError, ValueError, AttributeError):  # it may be closed, or have no descriptor
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
