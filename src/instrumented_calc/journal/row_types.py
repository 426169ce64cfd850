"""Structs that decode `call` rows, derived from `records.Call`, which alone declares the fields."""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

from msgspec import UNSET, Struct, UnsetType, defstruct
from msgspec.structs import fields

from instrumented_calc.journal.columns import ABSENT
from instrumented_calc.journal.records import Call, Natural, describe

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


def integer_field(name: str) -> tuple[str, Any] | tuple[str, Any, Any]:
    """Return a field of integers, -1 if absent, unless it is essential."""
    declared = _DECLARED[name]
    return (name, declared) if name in ESSENTIAL else (name, declared, ABSENT)


def _tolerant(name: str) -> tuple[str, Any] | tuple[str, Any, Any]:
    if name in PLAIN:
        return integer_field(name)
    declared = _DECLARED[name]
    return name, declared | None, UNSET if _may_be_null(declared) else None


def _may_be_null(declared: Any) -> bool:
    return declared is NoneType or any(map(_may_be_null, get_args(declared)))


def _is_natural(declared: Any) -> bool:
    """Return whether the values of a field are integers of at least 0, never null."""
    values = [get_args(each) for each in get_args(declared) if each is not UnsetType]
    return len(values) == 1 and values[0][:2] == get_args(Natural)


# The fields that are kept of a row. Its energy is read by `first_energies` if needed.
ROW_FIELDS = (*PLAIN, *(name for name in _DECLARED if name not in {*PLAIN, "energy_ev"}))
# Further integers of at least 0 that belong to one row alone.
NATURAL = frozenset(
    name for name in ROW_FIELDS if name not in {*PLAIN, *CARRIED} and _is_natural(_DECLARED[name])
)
Row = row_type("Row", ROW_FIELDS)
