"""Typed decoders that several threads may make at once.

msgspec resolves the fields of a Struct when it first meets the class, and until it is done a second thread
that meets the same class crashes the process (seen with msgspec 0.22: 39 of 60 processes with eight threads
that decoded for the first time). Whoever decodes into a type therefore goes through this module.
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
    """Return what JSON held as an object of this type.

    Raises:
        msgspec.ValidationError: It does not fit.
    """
    with _resolving:
        return msgspec.convert(found, kind)
