"""Conversions summed over a run, and promotions read off mixed operands; worked out by hand."""

from __future__ import annotations

import msgspec
import pytest

from instrumented_calc.analysis.contractions.conversions import measure_conversions
from instrumented_calc.journal import records
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.records import (
    Call,
    Contraction,
    Contractions,
    Conversion,
    Conversions,
    Operands,
)

START = records.RunStart(
    schema=records.SCHEMA, run_id="r", started="2026-01-01T00:00:00Z", pid=1, version="0.1.0"
)
CAST = ("cast", "float32@cpu", 2, 30, "float64@cpu", 96)


@pytest.fixture
def measured(tmp_path):
    def of(*made: records.Record):
        path = tmp_path / "run.jsonl"
        path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (START, *made)))
        return measure_conversions(read_journal(path))

    return of


def test_records_are_summed_by_kind_words_and_component(measured):
    found = measured(
        Call(index=0, start_ns=0, wall_ns=500),
        Conversions(600, [Conversion(*CAST), Conversion("sync", "cuda", 1, 400)]),
        Call(index=1, start_ns=700, wall_ns=500),
        Conversions(1300, [Conversion(*CAST), Conversion(*CAST, component="heads")], ["as_tensor"]),
        Call(index=2, start_ns=1400, wall_ns=10**6),
    )
    assert [(row.kind, row.component, row.calls, row.ns, row.bytes) for row in found.rows] == [
        ("sync", "", 1, 400, 0),
        ("cast", "", 4, 60, 192),
        ("cast", "heads", 2, 30, 96),
    ]
    assert found.calculated_ns == 1000
    assert found.rows[0].share == 0.4
    assert found.rows[0].target == ""
    assert found.share == pytest.approx(0.49)
    assert found.unseen == ("as_tensor",)


def test_contractions_of_several_dtypes_are_promotions(measured):
    looks = [
        Operands(["float64[2,3]", "float32[3,4]"], 5, 50, 0.0),
        Operands(["float64[9,3]", "float32[3,9]"], 2, 50, 0.0),
        Operands(["float64[2,3]", "float64[3,4]"], 7, 50, 0.0),
        Operands(["?", "float64[3,4]"], 7, 50, 0.0),
    ]
    odd = [Operands(["bfloat16[2]@cuda:0", "float32[2]@cuda:0"], 1, 5, 0.0)]
    found = measured(
        Contractions(
            100,
            [
                Contraction("ij,jk->ik", "numpy", 21, operands=looks),
                Contraction("i,i", "jax", 1, operands=odd),
            ],
        )
    )
    first, second = found.promotions
    assert (first.equation, first.dtypes, first.target, first.seen) == (
        "ij,jk->ik",
        ("float64", "float32"),
        "float64",
        7,
    )
    assert (second.dtypes, second.target) == (("bfloat16", "float32"), "")
    assert found.rows == ()
    assert found.share is None


def test_a_run_without_conversions_has_none(measured):
    assert measured(Call(index=0, start_ns=0, wall_ns=500)) is None
