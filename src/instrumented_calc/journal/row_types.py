"""Structs that decode `call` rows, derived from `records.Call`, which alone declares the fields."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

from msgspec import UNSET, Struct, defstruct
from msgspec.structs import fields

from instrumented_calc.journal.columns import ABSENT
from instrumented_calc.journal.records import Call, describe

if TYPE_CHECKING:
    from collections.abc import Iterable

_DECLARED = {field.name: field.type for field in fields(Call)}

# A row without one of these is invalid.
ESSENTIAL = ("index", "start_ns", "wall_ns")
# Integers that nearly all rows have.
PLAIN = (*ESSENTIAL, "gap_ns", "step")
# Fields that apply until a later row changes them.
CARRIED = tuple(meaning.name for meaning in describe(Call) if meaning.kind == "carried")


def row_type(title: str, names: Iterable[str]) -> type[Struct]:
    """Return a Struct with some of the fields of `Call`, tolerant except for the essential ones.

    An absent field is -1 if it is one of `PLAIN`, `UNSET` if null is a value of the field, otherwise None, as
    which null is accepted then.

    Args:
        title: Name of the Struct.
        names: Fields of `Call`, essential ones first.
    """
    return defstruct(title, [_tolerant(name) for name in names], tag="call", tag_field="event", gc=False)


def _tolerant(name: str) -> tuple[str, Any] | tuple[str, Any, Any]:
    declared = _DECLARED[name]
    if name in ESSENTIAL:
        return name, declared
    if name in PLAIN:
        return name, declared, ABSENT
    return name, declared | None, UNSET if _may_be_null(declared) else None


def _may_be_null(declared: Any) -> bool:
    return declared is NoneType or any(map(_may_be_null, get_args(declared)))


# The fields that are kept of a row. Its energy is read by `first_energies` if needed.
ROW_FIELDS = (*PLAIN, *(name for name in _DECLARED if name not in {*PLAIN, "energy_ev"}))
Row = row_type("Row", ROW_FIELDS)
LeanRow = row_type("LeanRow", PLAIN)
