"""The first record of a journal: its run, and whether this version can read it."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.errors import JournalReadError
from instrumented_calc.journal import records
from instrumented_calc.journal.decoding import converted
from instrumented_calc.journal.lines import how_to_convert, open_lines
from instrumented_calc.journal.untrusted_values import tame
from instrumented_calc.plain_text import plain, shown_path

if TYPE_CHECKING:
    import os

# Exceptions of msgspec for invalid records: bad JSON or UTF-8, or nested too deeply.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# Start of a journal as the recorder writes it.
BEGINNING = b'{"event":"run_start"'


def first_start(path: str | os.PathLike[str]) -> records.RunStart:
    """Return the first record of a journal.

    Args:
        path: The file.

    Raises:
        JournalReadError: If it cannot be read, or does not start with a `run_start` of this major version.
    """
    with open_lines(path) as lines:
        _, line = next(lines.lines(), (1, b""))
    where = f"{shown_path(path)}:1"
    try:
        return decode_start(line, where)
    except UNDECODABLE as error:
        message = f"{where}: not a journal, {looks_like(line)}; give a journal such as run.jsonl"
        raise JournalReadError(message) from error


def decode_start(line: bytes, where: str) -> records.RunStart:
    """Decode a `run_start`, dropping optional fields of an unexpected type.

    Args:
        line: The line.
        where: File and line, for messages.

    Raises:
        JournalReadError: It has a newer major version.
        msgspec.DecodeError: It is not a usable `run_start` of this program: one letter of it may have been
            damaged, or it is a description of a field of `run_start` in line 2.
    """
    found = msgspec.json.decode(line)
    if not isinstance(found, dict) or found.get("event") != "run_start":
        message = "not a `run_start`"
        raise msgspec.ValidationError(message)
    check_version(found.get("schema"), where)
    found = tame(found)
    environment = found.get("environment")
    if isinstance(environment, dict):
        found["environment"] = _environment(environment)
    try:
        return converted(found, records.RunStart)
    except msgspec.ValidationError:
        return converted(usable(found, records.RunStart), records.RunStart)


def _environment(found: dict[str, Any]) -> dict[str, Any]:
    """Return the usable fields; of torch's state its list of devices and plain values."""
    kept = usable(found, records.Environment)
    torch: dict[str, Any] = kept.get("torch", {})
    devices = torch.pop("devices", None)
    for name in [name for name, each in torch.items() if isinstance(each, (dict, list))]:
        del torch[name]
    if isinstance(devices, list) and all(isinstance(each, str) for each in devices):
        torch["devices"] = devices
    return kept


# msgspec evaluates all annotations again at each call: half of the time that a small journal takes.
_fields = cache(msgspec.structs.fields)


def usable(found: dict[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the entries of a decoded object that fit the fields of a Struct."""
    kept = {}
    for field in _fields(kind):
        if field.encode_name in found:
            try:
                converted(found[field.encode_name], field.type)
            except msgspec.ValidationError:
                continue
            kept[field.encode_name] = found[field.encode_name]
    return kept


def check_version(schema: Any, where: str) -> None:
    """Check that this version can read a journal's schema.

    Raises:
        JournalReadError: It needs a newer version of this program.
        msgspec.ValidationError: It is not a schema of this program.
    """
    name, _, major = str(schema).partition("/")
    if name != records.SCHEMA.partition("/")[0] or not major.isdecimal() or len(major) > 9:  # noqa: PLR2004
        raise msgspec.ValidationError(_unknown_schema(str(schema)))
    if int(major) > records.MAJOR_VERSION:
        shown = plain(repr(schema), longest=60)
        message = f"{where}: schema {shown} needs a newer instrumented-calc; pip install -U instrumented-calc"
        raise JournalReadError(message)


def _unknown_schema(schema: str) -> str:
    return f"schema {plain(repr(schema), longest=60)} is unknown; expected {records.SCHEMA!r}"


def looks_like(head: bytes) -> str:
    """Describe the first bytes of a file that is not a journal."""
    if converting := how_to_convert(head):
        return converting
    if b"\0" in head or not head.isascii():
        return "binary data"
    if head.startswith(BEGINNING):
        schema = re.search(rb'"schema":"([^"]*)"', head)
        if schema and schema[1] != records.SCHEMA.encode():
            return _unknown_schema(schema[1].decode("ascii"))
        return "its `run_start` is not usable"
    first_line = head.lstrip().partition(b"\n")[0].decode("ascii")
    begins = f"begins with {plain(first_line[:24].strip())!r}"
    return f"JSON of another kind: {begins}" if head.startswith((b"{", b"[")) else begins
