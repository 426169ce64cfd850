"""Shares of functions and lines from sampled stacks: exact for the parts, estimated within them."""

from __future__ import annotations

import math
import random

import msgspec
import pytest

from instrumented_calc.analysis.places import measure_places, newest_places, wilson_interval
from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.records import CodeLine, Places, SampledStack

MS = 10**6
LINES = [
    CodeLine("dumps", "json"),
    CodeLine("JSONEncoder.iterencode", "json"),
    CodeLine("MyCalc.calculate", "", "/home/me/my_calc.py", 43),
    CodeLine("MyCalc.calculate", "", "/home/me/my_calc.py", 50),
    CodeLine("EMT.calculate", "ase"),
    CodeLine("EMT._calc_forces", "ase"),
    CodeLine("<module>", "", "/home/me/md.py", 7),
    CodeLine("GetPropertiesMixin.get_forces", "ase"),
]


NAMES = ["calculate", "strain", "energy", "only_wraps", "wrapped", "dumps", "get_forces", "main"]
LIBRARY, OWN = {"dumps": ("json",), "get_forces": ("ase",)}, ("", "/home/me/my_calc.py", 7)


def sampled(stacks, *, time_ns=5, unseen=0, lines=LINES):
    """Return a record of samples, each of 100 ms."""
    made = [
        SampledStack(part, number, number * 100 * MS, component, places, inside)
        for part, component, places, inside, number in stacks
    ]
    if unseen:
        made.append(SampledStack("calculator", unseen, unseen * 100 * MS, "*not seen*"))
    samples = sum(each.samples for each in made)
    return Places(time_ns, samples, samples * 100 * MS, samples * (100.0 * MS) ** 2, lines, made)


@pytest.fixture
def write(tmp_path):
    """Return a writer of journals: 100 calls of 8 ms, 3 of them in `graph`; 2 ms between calls."""

    def write(*more):
        start = records.RunStart(
            records.SCHEMA, "r", "2026-01-01T00:00:00Z", 1, "0.1.0", directory="/home/me"
        )
        made = [start, records.Phase(0, "VelocityVerlet", "md", 0, timestep_fs=1.0)]
        made += [
            records.Call(
                index=number,
                lane=0,
                phase=0,
                start_ns=number * 10 * MS,
                wall_ns=8 * MS,
                step=number,
                components={"graph": 3 * MS},
            )
            for number in range(100)
        ]
        path = tmp_path / "run.jsonl"
        path.write_bytes(msgspec.json.Encoder().encode_lines([*made, *more]))
        return read_journal(path)

    return write


STACKS = [
    ("calculator", "", [1, 0, 2, 6], 3, 30),
    ("calculator", "", [2, 6], 1, 6),
    ("calculator", "", [3, 6], 1, 4),
    ("calculator", "graph", [5, 4, 7, 6], 2, 90),
    ("driver", "", [6], 1, 10),
]


def places_of(journal):
    return summarize(journal).places


def test_the_shares_of_parts_are_those_of_the_rows_and_places_divide_them(write):
    found = places_of(write(sampled(STACKS)))
    parts = {(part.part, part.component): part for part in found.parts}
    wall = 99 * 10 + 8  # ms
    assert parts["calculator", "graph"].estimate.share == pytest.approx(300 / wall)
    rest = parts["calculator", ""]
    assert rest.estimate.share == rest.estimate.low == rest.estimate.high == pytest.approx(500 / wall)
    assert [(each.function, each.estimate.samples) for each in rest.places] == [
        ("dumps", 30),
        ("MyCalc.calculate", 10),
    ]
    assert sum(each.estimate.share for each in rest.places) == pytest.approx(500 / wall)
    assert found.samples == 140
    assert found.unseen == 0


def test_a_library_function_has_the_users_line_that_calls_it_and_its_innermost_functions(write):
    found = places_of(write(sampled(STACKS)))
    (dumps, own), (emt,) = (
        part.places for part in sorted(found.parts, key=lambda each: each.component) if part.part != "driver"
    )
    assert (dumps.package, dumps.caller, dumps.file, dumps.line) == (
        "json",
        "MyCalc.calculate",
        "/home/me/my_calc.py",
        43,
    )
    assert [(each.function, each.package) for each in dumps.details] == [("JSONEncoder.iterencode", "json")]
    assert (own.function, own.package, own.line) == ("MyCalc.calculate", "", 43)
    assert [(each.line, each.estimate.samples) for each in own.details] == [(43, 6), (50, 4)]
    assert (emt.function, emt.package, emt.file) == ("EMT.calculate", "ase", "")
    assert emt.details[0].function == "EMT._calc_forces"


def test_a_component_has_the_line_of_the_calculator_that_calls_it(write):
    called = [("calculator", "graph", [1, 0, line, 7, 6], 2, number) for line, number in ((2, 60), (3, 30))]
    (found,) = (part.places for part in places_of(write(sampled(called))).parts)
    (dumps,) = found
    assert (dumps.function, dumps.caller, dumps.file, dumps.line) == (
        "dumps",
        "MyCalc.calculate",
        "/home/me/my_calc.py",
        43,
    )


def test_functions_of_the_users_are_summed_with_all_that_they_call(write):
    def stack(component, names, inside, number):
        return "calculator", component, [NAMES.index(each) for each in names], inside, number

    stacks = [
        stack("", ["strain", "calculate", "get_forces", "main"], 2, 10),
        stack("", ["dumps", "strain", "calculate", "get_forces", "main"], 3, 20),
        stack("graph", ["dumps", "strain", "calculate", "get_forces", "main"], 1, 50),
        stack("graph", ["dumps", "energy", "strain", "calculate", "get_forces", "main"], 1, 10),
        stack("graph", ["dumps", "energy", "calculate", "get_forces", "main"], 1, 40),
        stack("", ["wrapped", "only_wraps", "calculate", "get_forces", "main"], 3, 20),
        stack("", ["dumps", "wrapped", "wrapped", "only_wraps", "calculate", "get_forces", "main"], 5, 10),
        stack("", ["calculate", "get_forces", "main"], 1, 40),
    ]
    found = places_of(
        write(sampled(stacks, lines=[CodeLine(each, *LIBRARY.get(each, OWN)) for each in NAMES]))
    )
    shares = {each.function: each.estimate.share * 998 for each in found.own}  # ms of 1 s
    assert shares == pytest.approx(
        {"strain": 500 * 0.3 + 300 * 0.6, "wrapped": 500 * 0.3, "energy": 300 * 0.5}, rel=0.01
    )
    assert [*shares] == ["strain", *sorted(["wrapped", "energy"], key=shares.get, reverse=True)]
    assert all(each.estimate.low < each.estimate.share < each.estimate.high for each in found.own)


def test_samples_that_saw_no_place_are_counted_apart(write):
    found = places_of(write(sampled(STACKS, unseen=60)))
    assert found.unseen == 60
    (rest,) = (part for part in found.parts if part.part == "calculator" and not part.component)
    assert rest.estimate.share == pytest.approx(500 / 998)
    assert rest.places[0].estimate.share == pytest.approx(0.75 * 500 / 998 * 130 / 190)


def test_few_samples_are_told_by_wide_intervals(write):
    few = places_of(write(sampled([(*stack[:-1], max(stack[-1] // 10, 1)) for stack in STACKS])))
    many = places_of(write(sampled([(*stack[:-1], stack[-1] * 10) for stack in STACKS])))
    widths = [
        next(
            place.estimate.high - place.estimate.low
            for part in found.parts
            for place in part.places
            if place.function == "dumps"
        )
        for found in (few, many)
    ]
    assert widths[0] > 5 * widths[1] > 0


def test_the_newest_record_has_all_samples(write):
    journal = write(sampled(STACKS[:1]), sampled(STACKS, time_ns=9), sampled(STACKS[:2], time_ns=7))
    assert newest_places(journal).samples == 140


@pytest.mark.parametrize(
    "record",
    [
        Places(0, 0, 0, 0.0, [], []),
        Places(0, 5, 5 * MS, 5e12, LINES, [SampledStack("calculator", 5, 5 * MS, "", [99, 2**40], 7)]),
        Places(0, 5, 5 * MS, 5e12, [], [SampledStack("of a later version", 2**50, 2**60, "new", [0], 1)]),
        Places(0, 5, 5 * MS, 1e-300, LINES, []),
        Places(0, 0, 5 * MS, 1e60, LINES, [SampledStack("calculator", 0, 0, "graph", [0], 1)]),
    ],
)
def test_no_record_stops_the_report(write, record):
    journal = write(record)
    found = places_of(journal)
    assert found is None or all(0 <= part.estimate.share < math.inf for part in found.parts)
    assert judge(summarize(journal))


def test_no_calls_no_shares(tmp_path):
    path = tmp_path / "run.jsonl"
    start = records.RunStart(records.SCHEMA, "r", "2026-01-01T00:00:00Z", 1, "0.1.0")
    path.write_bytes(msgspec.json.Encoder().encode_lines([start, sampled(STACKS)]))
    assert measure_places(read_journal(path), None) is None


def test_the_interval_contains_the_true_share_in_about_95_of_100_cases():
    generator = random.Random(1)  # noqa: S311 - no secret
    covered = 0
    for _ in range(2000):
        hits = sum(generator.random() < 0.2 for _ in range(60))
        low, high = wilson_interval(hits / 60, 60)
        covered += low <= 0.2 <= high
    assert 0.92 < covered / 2000 < 0.98
    assert wilson_interval(0.0, 10)[0] == 0
    assert wilson_interval(1.0, 10)[1] == 1
