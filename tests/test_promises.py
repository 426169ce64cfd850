"""The page of costs and promises: its tests exist, its table is as the benchmark writes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.benchmarks.peer_tools import IN_PROCESS, OUTSIDE
from tests.benchmarks.peers_table import BEGIN, END, NOT_MEASURED, Cell, Column, rendered, written

from instrumented_calc.analysis.statistics.student_t import Estimate

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/guide/cost.md"
README = ROOT / "README.md"
FIGURE = re.compile(r"[+-]\d+(\.\d)? % \[-?\d+(\.\d)?, -?\d+(\.\d)?\]")
ABSENT = re.compile(r"- \((\d+)\)")


def block_of(page: Path) -> str:
    (block,) = re.findall(f"{BEGIN}\n(.*?)\n{END}", page.read_text(encoding="utf-8"), re.DOTALL)
    return block


def test_every_promise_names_tests_that_exist():
    rows = re.findall(r"^\| (\w[^|]*) \| (`tests/[^|]*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 15
    for promise, shown_by in rows:
        for path, names in re.findall(r"`(tests/\S+\.py)`: ((?:`test_\w+`(?:, )?)+)", shown_by):
            source = (ROOT / path).read_text(encoding="utf-8")
            for name in re.findall(r"test_\w+", names):
                assert f"def {name}(" in source, (promise, path, name)
        assert shown_by.count("`test_") >= shown_by.count("`tests/") >= 1


def checked_lines(table, tools):
    """Check the form of a table, and return its absent cells."""
    _, _, bare, *lines = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()
    )
    assert [line[0] for line in lines] == [tool.name for tool in tools]
    assert all(re.fullmatch(r"[\d.]+ [um]?s", time) for time in bare[1:])
    cells = [cell for line in lines for cell in line[1:]]
    assert [cell for cell in cells if not (FIGURE.fullmatch(cell) or ABSENT.fullmatch(cell))] == []
    return [ABSENT.fullmatch(cell)[1] for cell in cells if not FIGURE.fullmatch(cell)]


def check_form(block):
    """Check that every tool has an interval or a numbered reason, and that the machine is described.

    Whole runs have a table of their own, or the reason why they have none.
    """
    inside, *whole = re.findall(r"(?:^\|.*\n)+", block, re.MULTILINE)
    assert len(whole) == 1 or "\nNot measured: whole runs" in block
    for table, tools in zip((inside, *whole), (IN_PROCESS, OUTSIDE), strict=False):
        for note in checked_lines(table, tools):
            assert f"\n({note}) " in block
    assert re.search(r"\d+ processors; Python 3\.", block)


def test_the_tables_on_both_pages_are_as_the_benchmark_writes_them():
    block = block_of(PAGE)
    assert block_of(README) == block
    if block != NOT_MEASURED:
        check_form(block)


def test_tables_of_all_tools_have_this_form():
    ratio = Cell(ratio=Estimate(1.042, 1.03, 1.055))
    columns = [
        Column(
            "EMT",
            2.5e6,
            {tool.name: Cell(reason="sees torch only") if tool.sees else ratio for tool in tools},
        )
        for tools in (IN_PROCESS, OUTSIDE)
    ]
    block = rendered(columns[:1], columns[1:], {}, "A machine, 2 processors; Python 3.11.")
    check_form(block)
    with pytest.raises(AssertionError):
        check_form(block.replace("+4.2 %", "about 4 %", 1))


def test_a_table_states_intervals_and_why_a_figure_is_absent():
    cells = {
        "ours": Cell(ratio=Estimate(1.042, 1.03, 1.055)),
        "slow": Cell(ratio=Estimate(2.5, 2.4, 2.6)),
        "other": Cell(reason="not installed"),
    }
    block = rendered([Column("EMT", 2.5e6, cells)], [], {"Orb": "no orb-models"}, "A machine.")
    assert block.splitlines() == [
        "| Added to a step | EMT |",
        "|---|---:|",
        "| bare | 2.5 ms |",
        "| ours | +4.2 % [3.0, 5.5] |",
        "| slow | +150 % [140, 160] |",
        "| other | - (1) |",
        "",
        "Not measured: Orb (no orb-models).",
        "",
        "(1) not installed.",
        "",
        "A machine.",
    ]


def test_only_the_marked_block_of_a_page_is_replaced():
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert written(page, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="no block"):
        written("nothing here", "new")
