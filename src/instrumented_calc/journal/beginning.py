"""Recognise a journal by its first bytes, without reading or decoding it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

START_BYTES = 4096
MARK = b'"run_start"'
RECORD = b'{"event":'
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def is_journal(path: Path) -> bool:
    """Return whether a file begins as a journal, also if another program wrote its JSON anew."""
    start = _start(path)
    return start.startswith(b"{") and MARK in start.splitlines()[0]


def has_records(path: Path) -> bool:
    """Return whether a file must not be overwritten: a journal, also a damaged one, or its black box."""
    start = _start(path)
    return is_journal(path) or start.startswith(RECORD) or bool(start and path.suffix == ".jsonl")


def _start(path: Path) -> bytes:
    try:
        if not path.is_file():  # reading from a pipe would wait
            return b""
        with path.open("rb") as file:
            return file.read(START_BYTES).removeprefix(BYTE_ORDER_MARK).lstrip()
    except (OSError, ValueError):
        return b""
