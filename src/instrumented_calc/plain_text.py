"""Text from elsewhere, made safe to show: file names, and whatever a journal holds.

Such text can hold escape sequences that a terminal obeys, and characters that reverse or hide what stands
beside them. Characters that Unicode does not call printable are shown as escapes here: controls (C0, C1,
DEL), bidirectional and zero-width formats, line and paragraph separators, lone surrogates.
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
    """Return text on one line that a terminal shows as it is.

    Args:
        text: Any text.
        longest: Characters past which the text is cut.
    """
    # Cut first: to escape a megabyte takes a while. Escapes lengthen what is left.
    shown = text if len(text) <= longest else text[:longest]
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else _escape(each) for each in shown)
    return shown if len(shown) <= longest and len(text) <= longest else shown[: longest - len(_CUT)] + _CUT


def plain_json(value: Any) -> str:
    """Return a value as indented JSON that a terminal shows as it is; a reader gets the same value.

    Args:
        value: What JSON can hold.
    """
    import msgspec  # noqa: PLC0415 - `--help` stays light

    return escaped_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def escaped_json(text: str) -> str:
    """Return JSON with those characters escaped that a terminal would obey; a reader gets the same value."""
    return _UNUSUAL.sub(lambda found: _json_escape(found.group()), text)


def _json_escape(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


def shown_path(path: str | os.PathLike[str]) -> str:
    """Return a path for a message: the end of a long one, which holds the file's name."""
    text = plain(os.fspath(path), longest=1_000_000)
    return text if len(text) <= LONGEST_PATH else _CUT + text[len(_CUT) - LONGEST_PATH :]


def _escape(character: str) -> str:
    return " " if character in "\n\r\t" else character.encode("unicode_escape").decode("ascii")
