"""Numbers in a journal that no run has: they cost at most their record, and never raise."""

from __future__ import annotations

import re
import warnings

import pytest
from tests.journal.buckets import bucket_of
from tests.journal.mutations import _set
from tests.journal.specimens import call, encoded, start, thinned, whole

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.records import LARGEST, LARGEST_BUCKET, State
from instrumented_calc.journal.validation import validate_journal
from instrumented_calc.quantities import figures
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.report import build_report

# A number with a power of ten, such as 1e+02: no flagged finding has one.
EXPONENT = re.compile(r"[0-9]e[+-]?[0-9]")
HISTOGRAM = b'"histogram":[['


@pytest.fixture
def seen(tmp_path):
    def of(content: bytes):
        path = tmp_path / "run.jsonl"
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            summary = summarize(read_journal(path))
            findings = judge(summary)
            text = render_text(build_report([ReadRun(summary, findings)]))
            render_json([ReadRun(summary, findings)])
        flagged = [each.headline for each in findings if each.verdict == "flagged"]
        assert [each for each in flagged if EXPONENT.search(each)] == []
        validate_journal(path)
        return summary, findings, text

    return of


@pytest.mark.parametrize("bucket", [100_000, 3 * 10**11, 2**62, LARGEST_BUCKET + 1, -1])
def test_a_bucket_that_no_duration_has_costs_its_slice(seen, bucket):
    content = thinned(25)
    intact, _, _ = seen(content)
    summary, _, _ = seen(content.replace(HISTOGRAM, HISTOGRAM + b"%d,1],[" % bucket, 1))
    assert len(summary.journal.slices) == len(intact.journal.slices) - 1
    assert summary.journal.bad_lines == 1


def test_the_largest_bucket_is_that_of_the_longest_duration():
    assert bucket_of(2**63 - 1) == LARGEST_BUCKET


@pytest.mark.parametrize(
    "value", [b"-1", b"1180591620717411303424", b"1e400", b"1.5", b"NaN", b'"x"', b"true"]
)
@pytest.mark.parametrize("key", [b"calls", b"wall_ns", b"squares_ns2", b"max_ns"])
def test_odd_numbers_cost_their_slice(seen, key, value):
    lines = thinned(5).split(b"\n")
    place = next(place for place, line in enumerate(lines) if line.startswith(b'{"event":"slice"'))
    lines[place] = _set(lines[place], key, value)
    summary, _, _ = seen(b"\n".join(lines))
    legal = key == b"squares_ns2" and value in {b"1.5", b"1180591620717411303424"}
    assert len(summary.journal.slices) == (5 if legal else 4)


ODD = (b"[]", b"{}", b'"x"', b"1e300", b"-5", b"9" * 400, b"null", b"[[[1]]]", b'["x"]', b"true")
LOOSE = (
    *(b"affinity", b"cgroup_cpus", b"threads", b"torch_threads", b"torch", b"devices", b"default_dtype"),
    *(b"parameters", b"dtype", b"device", b"compiled", b"conservative", b"precision", b"library", b"model"),
    *(b"settings", b"libraries", b"scheduler", b"command", b"operands", b"equation", b"source", b"details"),
)


@pytest.mark.parametrize("key", LOOSE)
def test_odd_values_where_anything_can_stand_raise_nothing(seen, key):
    content = whole(60)
    for value in ODD:
        lines = [_set(line, key, value) for line in content.split(b"\n")]
        summary, _, _ = seen(b"\n".join(lines))
        assert len(summary.journal.calls) == 60


@pytest.mark.parametrize(
    "operand",
    ["float32K4,8]@cuda:0", "float65[9,9]", "f[99999999999999999999999,3]", "[", "complex", "x[-1]"],
)
def test_odd_operands_of_contractions_raise_nothing(seen, operand):
    content = whole(60).replace(b"float64[2,3]", operand.encode()).replace(b"float32[4,8]", operand.encode())
    assert seen(content)[0].contractions is not None


# How deep JSON may be nested depends on the Python: 1,000 levels up to 3.11, 2,500 in 3.12, 10,000 in 3.13.
@pytest.mark.parametrize(("depth", "decodable"), [(1500, None), (3000, None), (100_000, False)])
def test_a_line_nested_deeply_raises_nothing_and_is_bad_where_it_cannot_be_decoded(
    seen, tmp_path, depth, decodable
):
    nested = b"[" * depth + b"]" * depth
    deep = b'{"event":"notice","kind":"mark","text":"x","details":{"a":' + nested + b"}}\n"
    row = b'{"event":"call","index":1,"x":' + nested + b"}\n"  # bad at any depth: it lacks fields
    summary, _, _ = seen(encoded(start(), call(0)) + deep + row)
    assert len(summary.journal.calls) == 1
    assert summary.journal.bad_lines in ((1, 2) if decodable is None else (2,))
    from instrumented_calc.journal.first_energies import read_energies  # noqa: PLC0415 - the fixture wrote the file

    assert read_energies(tmp_path / "run.jsonl") == ()


def test_the_largest_numbers_of_the_schema_can_be_summed_and_shown(seen):
    rows = [
        call(n, components={"a": LARGEST}, counts={"edges": LARGEST}, rss_bytes=LARGEST) for n in range(9)
    ]
    for row in rows:
        row.wall_ns = row.gap_ns = LARGEST
    assert len(seen(encoded(start(), *rows))[0].journal.calls) == 9


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan"), 1e308, -1e-308, 5e-324])
def test_every_number_can_be_shown(value):
    assert figures(value)


def test_nan_in_a_sample_keeps_the_record_and_is_flagged(seen):
    states = [State(index=3, kinetic_ev=float("nan"), conserved_ev=float("nan"), non_finite=["forces"])]
    summary, findings, _ = seen(encoded(start(), *(call(n) for n in range(5)), *states))
    assert summary.journal.states == (State(3, kinetic_ev=None, conserved_ev=None, non_finite=["forces"]),)
    finding = next(each for each in findings if each.rule == "non-finite")
    assert finding.verdict == "flagged"
    assert finding.headline == "The forces are not numbers since step 3 (call 3)"
    assert finding.numbers["results"] == "conserved energy, forces, kinetic energy"


def test_an_energy_that_is_nan_is_flagged_where_nothing_else_was_sampled(seen):
    rows = [call(n, energy_ev=float("nan") if n in {7, 8} else 1.0) for n in range(20)]
    _, findings, _ = seen(encoded(start(), *rows))
    finding = next(each for each in findings if each.rule == "non-finite")
    assert (finding.verdict, finding.numbers["first_call"], finding.numbers["calls"]) == ("flagged", 7, 2)
