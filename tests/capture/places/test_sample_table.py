"""The table of sampled stacks is bounded, and loses no sample."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc.capture.places.sample_table import MOST_STACKS, SampleTable, StackKey
from instrumented_calc.journal.vocabulary import CALCULATOR, OBSERVERS

MS = 10**6


def key(*functions: str, component: str = "", part: str = CALCULATOR, inside: int = 1) -> StackKey:
    return StackKey(component, part, tuple((name, "", "md.py", 7) for name in functions), inside)


def sums(record):
    return sum(each.samples for each in record.stacks), sum(each.ns for each in record.stacks)


def test_equal_stacks_are_one_row_and_the_largest_comes_first():
    table = SampleTable()
    table.add(key("a", "main"), 3 * MS)
    table.add(key("b", "main", component="graph", inside=2), 90 * MS)
    table.add(key("a", "main"), 4 * MS)
    record = table.record(5, 10_000)
    assert [(each.component, each.samples, each.ns, each.inside) for each in record.stacks] == [
        ("graph", 1, 90 * MS, 2),
        ("", 2, 7 * MS, 1),
    ]
    names = [[record.lines[number].function for number in each.stack] for each in record.stacks]
    assert names == [["b", "main"], ["a", "main"]]
    assert (record.samples, record.ns, record.time_ns) == (3, 97 * MS, 5)
    assert record.squares_ns2 == (9 + 16 + 8100) * MS**2


def test_rare_stacks_beyond_the_limit_are_summed_by_component():
    table = SampleTable()
    table.add(key("heavy"), 10**9)
    for number in range(3 * MOST_STACKS):
        table.add(key(f"f{number}", component=f"c{number}"), MS)
    assert len(table._sums) <= MOST_STACKS + 1
    record = table.record(0, 10**9)
    assert sums(record) == (3 * MOST_STACKS + 1, 10**9 + 3 * MOST_STACKS * MS)
    names = [record.lines[each.stack[0]].function for each in record.stacks if each.stack]
    assert names[0] == "heavy"
    assert len({each.component for each in record.stacks if not each.stack}) <= 101


def test_a_record_has_a_limited_size_and_all_samples():
    table = SampleTable()
    for number in range(500):
        table.add(key(*(f"function {number} {depth}" for depth in range(20))), (500 - number) * MS)
    record = table.record(0, 20_000)
    assert len(msgspec.json.encode(record)) < 25_000
    assert sums(record) == (500, sum(range(501)) * MS)
    assert [each.stack for each in record.stacks if not each.stack] == [[]]
    assert record.lines[record.stacks[0].stack[0]].function in {"function 0 0", "function 1 0"}


def test_a_table_takes_another_one_and_leaves_it_empty():
    table, other = SampleTable(), SampleTable()
    table.add(key("a"), MS)
    other.add(key("a"), 2 * MS)
    other.add(key("o", part=OBSERVERS), 3 * MS)
    table.take(other)
    assert sums(table.record(0, 10_000)) == (3, 6 * MS)
    assert sums(other.record(0, 10_000)) == (0, 0)
    assert (other.samples, other.ns, other.squares_ns2) == (0, 0, 0)


@given(st.text(max_size=400), st.text(max_size=50))
def test_any_name_can_be_written(name, file):
    table = SampleTable()
    table.add(StackKey("", CALCULATOR, ((name, "", file, 3),), 1), MS)
    (line,) = table.record(0, 10_000).lines
    assert msgspec.json.decode(msgspec.json.encode(line), type=type(line)).line == 3


@pytest.mark.parametrize("surrogate", ["\udcff", "a\ud800b"])
def test_names_that_are_not_utf_8_are_escaped(surrogate):
    table = SampleTable()
    table.add(key(surrogate), MS)
    (line,) = table.record(0, 10_000).lines
    assert msgspec.json.encode(line)
