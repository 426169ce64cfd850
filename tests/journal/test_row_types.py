"""Structs that decode rows have the fields of `Call`."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from msgspec import UNSET
from msgspec.structs import fields

from instrumented_calc.journal.records import Call
from instrumented_calc.journal.row_collector import RowCollector
from instrumented_calc.journal.row_types import CARRIED, ESSENTIAL, NATURAL, Row, row_type

# In order of the types: integers, truth values, lists and dictionaries.
VALUES = (7, True, ["cell"], {"a": 7})
# Kept by a collector under another name, or not at all.
ELSEWHERE = {"failure", "energy_ev", "components", "device_ns", "counts", "compile_ns"}


def example(declared):
    """Return the first of the values that fits a field."""
    for value in VALUES:
        with suppress(msgspec.ValidationError):
            return msgspec.convert(value, declared)
    return "text"


def test_a_full_row_has_all_fields_of_a_call_but_the_energy():
    assert {each.name for each in fields(Row)} == {each.name for each in fields(Call)} - {"energy_ev"}


def test_minus_one_means_absent_only_of_fields_that_are_never_negative():
    assert {"parent", "rss_bytes", "observers_ns"} < NATURAL
    assert not NATURAL & {"child_exit_status", "lane", "n_atoms", "sliced", "failure", "counts"}


def test_every_field_reaches_the_columns():
    row = {each.name: example(each.type) for each in fields(Call)}
    collector = RowCollector(1)
    collector.add(msgspec.json.encode({"event": "call", **row}) + b"\n")
    calls = collector.finished()
    for name in row.keys() - ELSEWHERE:
        found = calls.sparse[name].values if name in calls.sparse else getattr(calls, name)
        assert len(found) == 1, name
        assert found[0] >= 0, name
    assert calls.counts.keys() == calls.device.keys() == calls.components.keys() == {"a"}
    assert calls.failures.values == ["text"]
    assert calls.compiled.values == [{"a": 7}]


def test_absence_differs_from_null_only_where_null_is_a_value():
    decode = msgspec.json.Decoder(row_type("Some", ("index", "step", "phase", "parent", "energy_ev"))).decode
    absent = decode(b'{"event":"call","index":1}')
    assert (absent.step, absent.phase, absent.parent, absent.energy_ev) == (-1, UNSET, None, UNSET)
    null = decode(b'{"event":"call","index":1,"phase":null,"parent":null,"energy_ev":null}')
    assert (null.phase, null.parent, null.energy_ev) == (None, None, None)


@pytest.mark.parametrize("name", ESSENTIAL)
def test_a_row_without_an_essential_field_is_invalid(name):
    row = {"event": "call", **dict.fromkeys(ESSENTIAL, 1)}
    msgspec.convert(row, Row)
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.convert({key: value for key, value in row.items() if key != name}, Row)


def test_carried_fields_are_those_that_the_schema_says():
    assert CARRIED == ("lane", "phase", "n_atoms", "properties", "changes", "system")
