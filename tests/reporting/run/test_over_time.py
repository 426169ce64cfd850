"""Lines over the run: where something changes, and only there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.records import SCHEMA, Call, Lane, RunStart
from instrumented_calc.reporting.run.final_summary import closing_text
from instrumented_calc.reporting.run.screen.screen import render_screen
from instrumented_calc.reporting.sparkline import BLOCKS, with_blocks

MS, MB = 1_000_000, 1_000_000


def texts(*, slower: float = 0.0, grows: int = 0) -> tuple[str, str]:
    start = RunStart(SCHEMA, "r", "2026-01-01T00:00:00+00:00", pid=1, version="0")
    at, rows = 0, []
    for n in range(3000):
        wall = int(MS * (1 + slower * n / 3000)) + n % 7 * 1000
        rows.append(
            Call(n, start_ns=at, wall_ns=wall, gap_ns=MS // 10, step=n, rss_bytes=500 * MB + n * grows)
        )
        at += wall + MS // 10
    made = [start, Lane(0, "EMT", "twin", n_atoms=4), *rows]
    Path("run.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(made))
    summary = summarize(read_journal("run.jsonl"))
    findings = judge(summary)
    return closing_text(summary, findings), render_screen([ReadRun(summary, findings)])


def row(text: str, label: str) -> str:
    found = [line for line in text.splitlines() if line.startswith(f"{label} ")]
    return found[0] if found else ""


def test_a_steady_run_has_no_lines():
    for text in texts():
        assert (row(text, "latency"), row(text, "growth")) == ("", "")


def test_memory_that_grows_is_drawn():
    for text in texts(grows=200_000):
        line = row(text, "growth")
        assert line.index("_") < line.index("#")
        assert len(line) <= 80
        assert line.isascii()


def test_a_latency_that_drifts_is_drawn():
    for text in texts(slower=2.0):
        line = row(text, "latency")
        assert line.index("_") < line.index("#")


@pytest.mark.parametrize(
    ("encoding", "drawn"), [("utf-8", True), ("ascii", False), (None, False), ("x", False)]
)
def test_a_terminal_that_shows_blocks_gets_blocks(encoding, drawn):
    text = "time     ##==..\ngrowth   __..,,##  500 MB -> 650 MB\nnext     __ ##"
    shown = with_blocks(text, encoding)
    assert (shown != text) == drawn
    assert (BLOCKS[-1] in shown) == drawn
    assert shown.splitlines()[0] == text.splitlines()[0]
    assert shown.splitlines()[2] == text.splitlines()[2]
