"""Contractions in numbers, worked out by hand: exact, estimated, and without a time."""

from __future__ import annotations

import math
import random

import pytest

from instrumented_calc.analysis.contractions.flops import arithmetic
from instrumented_calc.journal.operand_text import dtype_of, shape_of
from instrumented_calc.journal.records import Call, Contraction, Contractions, Operands, Phase

PAIR = ["float64[2,2,3,3,3]", "float64[3,3,3]"]
CALLS = [Call(index=index, start_ns=index * 1000, wall_ns=800, step=index, phase=1) for index in range(10)]
PHASE = Phase(phase=1, driver="VelocityVerlet", kind="md", index=0)


def recorded(*contractions: Contraction, time_ns: int = 10_000) -> Contractions:
    return Contractions(time_ns=time_ns, contractions=list(contractions))


def counted(equation: str = "mnpqr,pqr->mn", **fields) -> Contraction:
    return Contraction(equation=equation, library="numpy", **fields)


def test_a_run_without_contractions_has_none(summarized):
    assert summarized(*CALLS).contractions is None


def test_fully_inspected_equations_are_exact(summarized):
    looks = Operands(PAIR, 40, 2000, 0.0, "anisoap.x:12")
    found = summarized(PHASE, *CALLS, recorded(counted(calls=40, operands=[looks]))).contractions
    (row,) = found.rows
    assert (row.calls, row.ns, row.exact) == (40, 2000, True)
    assert found.calculated_ns == 8000
    assert row.share == 0.25
    assert row.ceiling == pytest.approx(4 / 3)
    assert row.macs == 40 * 108
    assert row.flops == 2 * 40 * 108
    assert row.gflops == pytest.approx(2 * 40 * 108 / 2000)
    assert found.steps == 10
    assert row.signatures[0].line == "anisoap.x:12"


def test_records_and_threads_add_up(summarized):
    one = Operands(PAIR, 3, 30, 0.0)
    other = Operands(["float64[1,1,3,3,3]", "float64[3,3,3]"], 2, 10, 0.0)
    found = summarized(
        *CALLS,
        recorded(counted(calls=5, operands=[one, other])),
        recorded(counted(calls=3, operands=[one]), time_ns=20_000),
    ).contractions
    (row,) = found.rows
    assert (row.calls, row.ns) == (8, 70)
    assert [each.calls for each in row.signatures] == [6, 2]


def test_components_and_libraries_are_rows_of_their_own(summarized):
    rows = [
        counted(calls=1, component="pairs", operands=[Operands(PAIR, 1, 100, 0.0)]),
        counted(calls=1, operands=[Operands(PAIR, 1, 50, 0.0)]),
        Contraction(
            equation="mnpqr,pqr->mn", library="torch", calls=1, operands=[Operands(PAIR, 1, 10, 0.0)]
        ),
    ]
    found = summarized(*CALLS, recorded(*rows)).contractions
    assert [(row.library, row.component) for row in found.rows] == [
        ("numpy", "pairs"),
        ("numpy", ""),
        ("torch", ""),
    ]
    assert len({(row.equation, row.macs, row.flops) for row in found.rows}) == 1


def test_a_sample_stands_for_the_calls_that_were_not_inspected(summarized):
    every = Operands(PAIR, 1000, 5_000_000, 0.0)  # cold, and slower
    some = Operands(PAIR, 100, 100_000, 100 * 1000.0**2, sampled=True)
    found = summarized(*CALLS, recorded(counted(calls=1000 + 1600, operands=[every, some]))).contractions
    (row,) = found.rows
    assert row.ns == 5_000_000 + 1600 * 1000
    assert row.error_ns == 0.0  # all inspected calls took the same time
    assert row.signatures[0].calls == 2600


def test_the_standard_error_is_that_of_a_random_sample(summarized):
    generator = random.Random(1)  # noqa: S311 - nothing secret
    population = [generator.randint(500, 3000) for _ in range(20_000)]
    errors, spread = [], []
    for _ in range(40):
        sample = generator.sample(population, 400)
        looks = Operands(PAIR, 400, sum(sample), float(sum(x * x for x in sample)), sampled=True)
        (row,) = summarized(*CALLS, recorded(counted(calls=20_000, operands=[looks]))).contractions.rows
        errors.append(row.error_ns)
        spread.append((row.ns - sum(population)) / row.error_ns)
    assert sum(abs(each) < 2 for each in spread) >= 34
    assert max(errors) < 1.3 * min(errors)


def test_calls_that_were_only_timed_are_distributed_like_the_inspected_ones(summarized):
    small, large = ["float64[2]", "float64[2]"], ["float64[4]", "float64[4]"]
    looks = [Operands(small, 30, 300, 0.0, sampled=True), Operands(large, 10, 300, 0.0, sampled=True)]
    row = counted("i,i->", calls=400, operands=looks, timed=360, ns=5400)
    (found,) = summarized(*CALLS, recorded(row)).contractions.rows
    assert (found.ns, found.exact) == (6000, True)
    assert {each.operands[0]: (each.calls, each.ns) for each in found.signatures} == {
        "float64[2]": (300, 3000),
        "float64[4]": (100, 3000),
    }


def test_one_inspection_of_many_calls_has_no_known_error(summarized):
    looks = Operands(PAIR, 1, 100, 1e4, sampled=True)
    (row,) = summarized(*CALLS, recorded(counted(calls=16, operands=[looks]))).contractions.rows
    assert math.isinf(row.error_ns)
    assert not row.exact


def test_a_count_without_a_time_has_no_share(summarized):
    row = counted(calls=4, operands=[Operands(PAIR, 4)])
    (found,) = summarized(*CALLS, recorded(row)).contractions.rows
    assert found.ns is None
    assert found.share is None
    assert found.gflops is None
    assert found.flops == 8 * 108


def test_calls_that_ended_after_the_last_count_are_not_shared_out(summarized):
    row = counted(calls=1, operands=[Operands(PAIR, 1, 400, 0.0)])
    found = summarized(*CALLS, recorded(row, time_ns=5000)).contractions
    assert found.calculated_ns == 5 * 800


@pytest.mark.parametrize(
    ("equation", "operands", "macs", "flops"),
    [
        ("mnpqr,pqr->mn", ("float64[2,2,3,3,3]", "float64[3,3,3]"), 108, 216),
        ("ij,jk", ("float32[2,3]", "float32[3,4]"), 24, 48),
        ("i,j->ij", ("float64[3]", "float64[4]"), 12, 12),
        (
            "...i,...j,ijk->...k",
            ("float32[26,8]", "float32[26,16]", "float32[8,16,3]"),
            26 * 8 * 16 * 3,
            None,
        ),
        ("ii->", ("float64[5,5]",), 5, 5),
        ("bi,bij->bj", ("float32[8,3]@cuda:0", "float32[8,3,3]@cuda:0"), 72, 144),
    ],
)
def test_arithmetic_is_that_of_the_index_space(equation, operands, macs, flops):
    found = arithmetic(equation, operands)
    assert found.macs == macs
    if flops is not None:
        assert found.flops == flops


@pytest.mark.parametrize(
    ("equation", "operands"),
    [
        ("*other*", ("*other*",)),
        ("ij,jk->ik", ("?", "?")),
        ("", ()),
        ("ij->ji", ("float64[2,3]", "float64[2]")),
    ],
)
def test_invalid_contractions_have_no_arithmetic(equation, operands):
    assert arithmetic(equation, operands) is None


def test_operands_report_shape_and_dtype():
    assert shape_of("float64[2,3]@cuda:0") == (2, 3)
    assert shape_of("float64[]") == ()
    assert shape_of("?") is None
    assert dtype_of("complex128[2]") == "complex128"
    assert dtype_of("?") is None
