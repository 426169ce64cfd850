"""The exception that ended a program or a `with` block, found without a hook."""

from __future__ import annotations

import sys

from instrumented_calc.foreign import is_foreign
from instrumented_calc.journal.masking import mask_secrets

LONGEST = 300


def failure_of_program(reason: str) -> tuple[str, str] | None:
    """Return the class and message of the exception that ends a run.

    At interpreter exit it is the one that Python has printed and keeps in `sys.last_value`; when a run is
    closed it is the one being handled, as in a `with` block left by an exception.

    Args:
        reason: Reason for the end of the run: `closed`, `collected` or `exit`.

    Returns:
        The class name and the message on one line, secrets masked, at most `LONGEST` characters; None if
        the run ends without an exception.
    """
    if reason == "exit" and not hasattr(
        sys, "ps1"
    ):  # at a prompt, the last exception did not end the program
        error = getattr(sys, "last_value", None)
    elif reason == "closed":
        error = sys.exc_info()[1]
    else:
        return None
    if not isinstance(error, BaseException):
        return None
    return _one_line(type(error).__qualname__), _one_line(mask_secrets(_message(error)))


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as fault:
        if is_foreign(fault):
            raise
        return ""  # the class's own __str__ fails


def _one_line(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
