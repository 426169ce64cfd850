"""Files for sharing: complete figures, with home directories and secrets masked.

Structured files are decoded, masked and encoded again; files without anything to mask are copied byte for
byte.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.intake.outgoing.masking import mask_paths
from instrumented_calc.journal.masking import JSON_DEPTH, encode_json, mask_secrets, mask_values

if TYPE_CHECKING:
    from collections.abc import Callable

# Fields of a journal's first record that name folders.
FOLDERS_IN = ("command", "directory", "settings")
# Longer lines are not our records, and are omitted: masking their end would require all of them.
LONGEST_LINE = 16 * 2**20


def masked(content: bytes, suffix: str) -> bytes:
    """Return a file's content without home directories and secrets.

    Args:
        content: The file.
        suffix: Suffix of its name: `.json` and `.csv` are masked value by value, others as text.
    """
    text = content.decode("utf-8", "surrogateescape")
    if suffix == ".json":
        text = _masked_json(text)
    elif suffix == ".csv":
        text = _masked_csv(text)
    else:
        text = _masked_text(text)
    return text.encode("utf-8", "surrogateescape")


def mask_journal(source: Path, target: Path, directory: str = "") -> int:
    """Copy a journal or its black box, record by record, without home directories, secrets and folder names.

    A torn last line stays torn.

    Args:
        source: The journal.
        target: The copy.
        directory: The run's working directory, until a `run_start` names it.

    Returns:
        The number of lines omitted because they are longer than any record.
    """
    left_out = 0
    with source.open("rb") as read, target.open("wb") as written:
        folder = f"{directory}/" if directory else ""
        while line := read.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                left_out += 1
                _skip_line(read.readline)
                continue
            record = _decoded(line)
            if isinstance(record, dict) and record.get("event") == "run_start":
                folder = f"{record['directory']}/" if isinstance(record.get("directory"), str) else ""
                record |= {key: _without_folders(record[key]) for key in FOLDERS_IN if key in record}
                written.write(msgspec.json.encode(_record(record, folder)) + b"\n")
                continue
            written.write(_masked_line(line, record, folder))
    return left_out


def _skip_line(read: Callable[[int], bytes]) -> None:
    while (rest := read(LONGEST_LINE)) and not rest.endswith(b"\n"):
        pass


def _decoded(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _masked_line(line: bytes, record: Any, folder: str) -> bytes:
    if record is None:  # torn or damaged: no usable structure
        text = line.decode("utf-8", "surrogateescape")
        return _masked_text(_within(text, folder)).encode("utf-8", "surrogateescape")
    found = _record(record, folder)
    return line if found == record else msgspec.json.encode(found) + b"\n"


def _record(value: Any, folder: str) -> Any:
    return each_text(mask_values(value), lambda text: mask_paths(_within(text, folder)))


def _within(text: str, folder: str) -> str:
    return text.replace(folder, "") if len(folder) > 1 else text


def _masked_text(text: str) -> str:
    return mask_secrets(mask_paths(text) if "/" in text else text)


def _masked_json(text: str) -> str:
    try:
        value = json.loads(text)
        found = each_text(mask_values(value, numbers=True), mask_paths)
        return text if found == value else encode_json(found, indent=2) + "\n"
    except (ValueError, RecursionError):
        return _masked_text(text)


def _masked_csv(text: str) -> str:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return _masked_text(text)
    found = [[_masked_text(cell) if cell else cell for cell in row] for row in rows]
    if found == rows:
        return text
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\n").writerows(found)
    return written.getvalue()


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    """Return decoded JSON with every string and every key changed.

    Args:
        value: A JSON value.
        change: Applied to those that contain a slash.
    """
    if isinstance(value, str):
        return change(value) if "/" in value else value  # most are names without a path
    if isinstance(value, list):
        return [each_text(each, change) for each in value]
    if isinstance(value, dict):
        return {each_text(key, change): each_text(each, change) for key, each in value.items()}
    return value


def _without_folders(value: Any, depth: int = JSON_DEPTH) -> Any:
    """Keep the last part of every absolute path: the program is evidence, its folder is not."""
    # Values deeper than `depth` are kept here: `mask_values` masks them entirely.
    if isinstance(value, list) and depth:
        return [_without_folders(each, depth - 1) for each in value]
    if isinstance(value, dict) and depth:
        return {key: _without_folders(each, depth - 1) for key, each in value.items()}
    if not isinstance(value, str):
        return value
    option, equals, path = value.rpartition("=") if value.startswith("-") else ("", "", value)
    return option + equals + (PurePath(path).name if path.startswith("/") else path)
