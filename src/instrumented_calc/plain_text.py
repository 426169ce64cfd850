"""Text from outside, made safe to show: file names, and anything in a journal.

Such text can contain escape sequences for terminals, and characters that reverse or hide the text next to
them. Characters that Unicode does not call printable are shown as escapes here: controls (C0, C1, DEL),
bidirectional and zero-width formats, line and paragraph separators, lone surrogates.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any

LONGEST_TEXT = 4_000
LONGEST_PATH = 150
_CUT = "..."
_UNUSUAL = re.compile(r"[^ -~\n]")


def plain(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return text on one line without effects on a terminal.

    Args:
        text: Any text.
        longest: Characters above which the text is cut.
    """
    # Cut first: escaping a megabyte takes long. Escapes lengthen the remaining text.
    shown = text if len(text) <= longest else text[:longest]
    shown = printable(shown)
    return shown if len(shown) <= longest and len(text) <= longest else shown[: longest - len(_CUT)] + _CUT


def printable(text: str) -> str:
    """Return text with all other characters as escapes, and line breaks and tabs as spaces."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escape(each) for each in text)


def plain_json(value: Any) -> str:
    """Return a value as indented JSON without effects on a terminal; a reader gets the same value.

    Args:
        value: A JSON value.
    """
    import msgspec  # noqa: PLC0415 - `--help` stays light

    return escaped_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def escaped_json(text: str) -> str:
    """Return JSON with terminal control characters escaped; a reader gets the same value."""
    return _UNUSUAL.sub(lambda found: _json_escape(found.group()), text)


def _json_escape(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def shown_path(path: str | os.PathLike[str]) -> str:
    """Shorten a path for a message to its end, which holds the file's name."""
    text = plain(os.fspath(path), longest=1_000_000)
    return text if len(text) <= LONGEST_PATH else _CUT + text[len(_CUT) - LONGEST_PATH :]


def _escape(character: str) -> str:
    return " " if character in "\n\r\t" else character.encode("unicode_escape").decode("ascii")
