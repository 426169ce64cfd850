"""The format as a whole: its version, all records, and the descriptions made from them."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, TypeAlias, get_args

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import fields

from instrumented_calc.journal.records.calls import Call, LastCalls, OpenCall, Slice
from instrumented_calc.journal.records.operations import Contractions, Conversions, ProductTimes, TraceWindow
from instrumented_calc.journal.records.places import Observers, Places, StepProfiles
from instrumented_calc.journal.records.readings import Machine, State
from instrumented_calc.journal.records.run import (
    ComputedSystem,
    Finding,
    Lane,
    Notice,
    Phase,
    RunEnd,
    RunStart,
    Tally,
)
from instrumented_calc.journal.records.values import meta

SCHEMA = "instrumented-calc/1"
MAJOR_VERSION = 1


class FieldMeaning(Struct):
    """Description of one field of one event."""

    event: str
    name: str
    unit: str
    kind: str
    meaning: str


class Fields(Struct, tag="fields", tag_field="event"):
    """Line 2: the meaning of every field of the journal."""

    fields: Annotated[list[FieldMeaning], meta("One entry per field")]


Record: TypeAlias = (
    Call
    | Slice
    | LastCalls
    | OpenCall
    | Contractions
    | Conversions
    | ProductTimes
    | TraceWindow
    | Places
    | StepProfiles
    | Observers
    | State
    | Machine
    | Finding
    | RunStart
    | Fields
    | Lane
    | Phase
    | ComputedSystem
    | Notice
    | Tally
    | RunEnd
)
RECORDS: tuple[type[Struct], ...] = (
    RunStart,
    Fields,
    Lane,
    Phase,
    ComputedSystem,
    Call,
    Slice,
    LastCalls,
    OpenCall,
    Contractions,
    Conversions,
    ProductTimes,
    TraceWindow,
    Places,
    StepProfiles,
    Observers,
    State,
    Machine,
    Finding,
    Tally,
    Notice,
    RunEnd,
)


@cache  # it takes milliseconds, and is the same for every run of a process
def describe_fields() -> Fields:
    """Return the journal's second record, made from the Structs above."""
    return Fields(fields=[meaning for record in RECORDS for meaning in describe(record)])


def describe(record: type[Struct]) -> list[FieldMeaning]:
    """Return the meaning of each field of a record."""
    event = str(record.__struct_config__.tag)
    return [_meaning(event, field.encode_name, field.type) for field in fields(record)]


def _meaning(event: str, name: str, annotation: Any) -> FieldMeaning:
    """Read the metadata of `meta` from a field's annotation, which may be one of several alternatives."""
    for part in (annotation, *get_args(annotation)):
        for found in getattr(part, "__metadata__", ()):
            if isinstance(found, Meta) and found.description:
                known = found.extra_json_schema or {}
                return FieldMeaning(event, name, known["x-unit"], known["x-kind"], found.description)
    return FieldMeaning(event, name, unit="", kind="value", meaning="")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of one line of a journal (draft 2020-12)."""
    schema = msgspec.json.schema(Record)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        **schema,
    }
