"""The schema and the journal's own description of its fields say the same."""

from __future__ import annotations

from instrumented_calc.journal.records import describe_fields, json_schema


def test_every_field_is_described_as_in_the_json_schema():
    definitions = json_schema()["$defs"].values()
    in_schema = {
        (event, name): next(
            part for part in (described, *described.get("anyOf", ())) if "description" in part
        )
        for definition in definitions
        for event in definition["properties"].get("event", {}).get("enum", ())
        for name, described in definition["properties"].items()
        if name != "event"
    }
    described = {(each.event, each.name): each for each in describe_fields().fields}
    assert described.keys() == in_schema.keys()
    assert len(described) > 100
    for key, schema in in_schema.items():
        assert described[key].meaning == schema["description"], key
        assert (described[key].unit, described[key].kind) == (schema["x-unit"], schema["x-kind"]), key
