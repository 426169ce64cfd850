"""Types of the values in records, and the annotation that carries a field's meaning."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from msgspec import Meta

# Largest integer: readers compute in 64 bits, and sums of a few thousand values must fit as well.
LARGEST = 2**62
Natural: TypeAlias = Annotated[int, Meta(ge=0, le=LARGEST)]
Whole: TypeAlias = Annotated[int, Meta(ge=-LARGEST, le=LARGEST)]
# Sums of squared times: fits 2^62 calls of 2^62 ns.
Squares: TypeAlias = Annotated[float, Meta(ge=0, le=1e60)]
# A quantity that can become NaN or infinite. JSON has neither, so both are written as null.
Physical: TypeAlias = float | None


def meta(meaning: str, unit: str = "", kind: str = "value") -> Meta:
    """Return the annotation of a field: meaning, unit and kind, all part of the JSON Schema."""
    return Meta(description=meaning, extra_json_schema={"x-unit": unit, "x-kind": kind})
