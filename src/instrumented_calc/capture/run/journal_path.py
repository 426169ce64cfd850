"""The path of a run's journal: the user's `journal=`, checked while wrapping."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from instrumented_calc.capture.bounded_wait import PATIENCE_S, StillWaitingError, within
from instrumented_calc.capture.value_text import shown
from instrumented_calc.errors import JournalPathError, SettingsError
from instrumented_calc.journal.vocabulary import JOURNALS_VARIABLE
from instrumented_calc.journal.writer import check_directory

DEFAULT_JOURNAL = "run.jsonl"
# Longest suffix for processes, ranks, numbers, traces and other files next to the journal, such as
# `.pid4194304-2.trace-10.json`.
SUFFIX_BYTES = 40
LONGEST_PATH = 100
NAME_MAX = 255  # bytes of a name, on all usual file systems
MOST_KNOWN = 100
# Journals of the process's run that could be created: a screening loop wraps thousands of calculators for it,
# and a check costs half a millisecond, in a thread of its own.
_known: set[str] = set()


def wanted_journal(journal: Any) -> str:
    """Return the absolute path of the requested journal.

    `INSTRUMENTED_CALC_JOURNALS` replaces its folder, so that another program finds the journals of a script.

    Args:
        journal: A path as text, bytes or `os.PathLike`; a folder means `run.jsonl` in it, a leading `~` the
            home folder, and None `run.jsonl` in the working directory.

    Raises:
        SettingsError: The value is not a path.
        JournalPathError: No journal can be written there, or the working directory was deleted.
    """
    text = _absolute(DEFAULT_JOURNAL if journal is None else _text(journal))
    folder = os.environ.get(JOURNALS_VARIABLE)
    if folder:
        text = os.path.join(_absolute(folder), os.path.basename(text) or DEFAULT_JOURNAL)  # noqa: PTH118, PTH119 - text
    if journal is None and text in _known:
        return text
    try:
        path = within(PATIENCE_S, lambda: _checked(text), undo=lambda _: None)
    except StillWaitingError:  # the first call tries it again, and reports it
        return os.path.join(text, DEFAULT_JOURNAL) if text.endswith(os.sep) else text  # noqa: PTH118
    if journal is None:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known.add(str(path))
    return str(path)


def _checked(text: str) -> Path:
    """Return the journal's path, if it can be created there."""
    path = Path(text)
    mode = _mode(path)
    if text.endswith(os.sep) or (mode is not None and stat.S_ISDIR(mode)):
        path = path / DEFAULT_JOURNAL
    elif mode is not None and not stat.S_ISREG(mode):
        message = (
            f"{path}: not a regular file, so no journal can be kept there; give a file name, or set "
            "INSTRUMENTED_CALC=off to record nothing"
        )
        raise JournalPathError(message)
    longest = NAME_MAX - SUFFIX_BYTES
    size = len(os.fsencode(path.name))
    if size > longest:
        message = f"{path.name[:30]}...: a name of {size} bytes; a journal's name may have at most {longest}"
        raise JournalPathError(message)
    check_directory(path)
    return path


def _text(journal: Any) -> str:
    if not isinstance(journal, (str, bytes, os.PathLike)):
        message = f"journal={shown(journal)}: not a path; give a file name such as run.jsonl"
        raise SettingsError(message)
    try:
        text = os.fsdecode(journal)
        os.fsencode(text)
    except (TypeError, ValueError) as error:
        message = f"journal={shown(journal)}: not a file name ({error}); give one such as run.jsonl"
        raise SettingsError(message) from error
    if not text.strip() or "\0" in text:
        message = f"journal={shown(text)}: not a file name; give one such as run.jsonl"
        raise SettingsError(message)
    return os.path.expanduser(text)  # noqa: PTH111 - pathlib's raises where there is no home folder


def _absolute(text: str) -> str:
    if os.path.isabs(text):  # noqa: PTH117 - the text is wanted, not a tidied path
        return text
    try:
        return os.path.join(os.getcwd(), text)  # noqa: PTH109, PTH118 - a last slash must be kept
    except OSError as error:
        message = (
            f"the working directory was deleted ({error.strerror}), so {text} is unusable; change to another "
            "directory, or give the journal an absolute path"
        )
        raise JournalPathError(message) from error


def _shortened(path: Path) -> str:
    """Shorten a path for a line of text, keeping its end."""
    text = str(path)
    return text if len(text) <= LONGEST_PATH else f"...{text[-LONGEST_PATH:]}"


def _mode(path: Path) -> int | None:
    """Return the mode of the existing file, or None."""
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        message = f"{_shortened(path)}: {error.strerror}; give the journal another path"
        raise JournalPathError(message) from error
