"""Conversions in reports."""

from __future__ import annotations

from instrumented_calc.analysis.contractions.conversions import ConversionTotals, ConversionUse, Promotion
from instrumented_calc.reporting.document import Document
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.conversions import ROWS_SHOWN, conversions_section

COPY = ConversionUse(
    "host to device", "float64@cpu", "float32@cuda:0", "to device", 1000, 20_000_000, 48_000, 0.02
)
WAIT = ConversionUse("sync", "cuda", "", "", 10, 1_000_000, 0, 0.001)


def text(found: ConversionTotals) -> str:
    return render_text(Document("A run", (conversions_section(found),)))


def test_each_row_reports_source_target_and_share():
    lines = text(ConversionTotals((COPY, WAIT), (), 10**9, ("as_tensor", "tensor"))).splitlines()
    (copy,) = [line for line in lines if line.strip().startswith("host to device")]
    assert copy.split() == [
        *["host", "to", "device:", "float64@cpu", "->", "float32@cuda:0", "to", "device"],
        *["1,000", "20.0", "2.0", "48.0", "kB"],
    ]
    (wait,) = [line for line in lines if line.strip().startswith("sync")]
    assert wait.split() == ["sync:", "cuda", "-", "10", "100", "0.1", "-"]
    assert any(
        "21.0 ms in conversions, copies and waits: 2.1 % of 1.00 s in calculate()." in line for line in lines
    )
    assert any("because torch.compile is in use: torch's as_tensor, tensor." in line for line in lines)


def test_promotions_have_a_table_of_their_own():
    mixed = Promotion("ij,jk->ik", "numpy", "", ("float64", "float32"), "float64", 7)
    section = conversions_section(ConversionTotals((), (mixed,), 0))
    (table, advice) = section.blocks
    assert table.rows == (("ij,jk->ik float64 float32", "numpy", "-", "float64", "7"),)
    assert "use one dtype" in advice.lines[0]


def test_entries_beyond_the_limit_are_summed():
    rows = tuple(
        ConversionUse("cast", f"float32@cuda:{n}", "x", "", 2, 1, 1, 0.0) for n in range(ROWS_SHOWN + 3)
    )
    assert "3 other kinds with 6 calls not shown." in text(ConversionTotals(rows, (), 10**9))


def test_without_conversions_there_is_no_section():
    assert conversions_section(None) is None
    assert conversions_section(ConversionTotals((), (), 0)) is None
