"""Encode records as JSON lines, so that an invalid record affects no other record.

Values from users and systems may be anything: file names that are not UTF-8, arrays instead of names,
numbers too large for JSON. Values that JSON cannot represent are replaced or dropped, field by field.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Struct

from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEEPEST = 20  # levels of nesting that are processed
LARGEST_INTEGER = 2**63 - 1  # limit of all readers
LONGEST_RECORD = 1_000_000  # bytes: readers skip lines of more than 2^20

_encode_lines = msgspec.json.Encoder().encode_lines
_encode = msgspec.json.Encoder().encode
_NOTHING: Any = object()  # marks a value that JSON cannot represent


def lines_of(records: Sequence[Struct]) -> tuple[bytes, int]:
    """Encode records, one per line.

    Args:
        records: The records.

    Returns:
        The lines, and the number of records that could not be encoded at all.
    """
    try:
        lines = _encode_lines(records)
    except Exception as error:  # TypeError, UnicodeEncodeError, RecursionError, MemoryError, ...
        if is_foreign(error):
            raise
    else:
        if len(lines) <= LONGEST_RECORD:
            return lines, 0
    single = [shortened(record, LONGEST_RECORD) for record in records]
    return b"".join(single), single.count(b"")


def shortened(record: Struct, longest: int) -> bytes:
    """Encode a record with shortened texts, lists and dictionaries, so that its line is not too long.

    Args:
        record: The record.
        longest: Maximum number of bytes of the line.

    Returns:
        The line; empty if the record cannot be encoded or is too long even then.
    """
    line = _encoded(lambda: record) or _encoded(lambda: _fields_of(record, 0))
    for most in (1000, 100, 10):
        if len(line) <= longest:
            return line
        value = msgspec.json.decode(line)
        line = _encoded(lambda value=value, most=most: _cut(value, most))  # type: ignore[misc]
    return line if len(line) <= longest else b""


def _cut(value: Any, most: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= most else f"{value[:most]}... ({len(value)} characters)"
    if isinstance(value, list):
        rest = [f"... ({len(value)} in all)"] if len(value) > most and isinstance(value[0], str) else []
        return [_cut(each, most) for each in value[:most]] + rest
    if isinstance(value, dict):
        return {_cut(key, most): _cut(each, most) for key, each in islice(value.items(), most)}
    return value


def valid_text(text: str) -> str:
    r"""Return a text that UTF-8 can represent: undecodable bytes become `\udcff` and the like."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _encoded(form: Callable[[], Any]) -> bytes:
    try:
        return _encode(form()) + b"\n"
    except Exception as error:
        if is_foreign(error):
            raise
        return b""


def _fields_of(record: Struct, depth: int) -> Any:
    """Return the parts of a record that JSON can represent, or nothing if a required field is lost."""
    config = record.__struct_config__
    fields: dict[str, Any] = {} if config.tag_field is None else {config.tag_field: config.tag}
    for field in msgspec.structs.fields(record):
        value = _valid(getattr(record, field.name), depth + 1)
        if value is not _NOTHING:
            fields[field.encode_name] = value
        elif field.required:
            return _NOTHING
    return fields


def _valid(value: Any, depth: int) -> Any:  # noqa: PLR0911 - one case a line
    """Return the parts of a value that JSON can represent."""
    kind = type(value)
    if depth > DEEPEST or value is UNSET:
        return _NOTHING
    if value is None or kind is bool or kind is float:
        return value
    if kind is str:
        return valid_text(value)
    if kind is int:
        return value if -LARGEST_INTEGER <= value <= LARGEST_INTEGER else _NOTHING
    if kind is dict:
        pairs = ((valid_text(str(key)), _valid(each, depth + 1)) for key, each in value.items())
        return {key: each for key, each in pairs if each is not _NOTHING}
    if kind in (list, tuple):
        return [each for each in (_valid(each, depth + 1) for each in value) if each is not _NOTHING]
    if isinstance(value, Struct):
        return _fields_of(value, depth)
    return _NOTHING
