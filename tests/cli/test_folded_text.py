"""Sentences folded to a terminal's width: tables, commands and code stay whole."""

from __future__ import annotations

import pytest

from instrumented_calc.cli.folded_text import folded

WORDS = "one two three four five six seven eight nine ten eleven twelve"


def test_a_sentence_continues_below_itself():
    assert folded(f"  {WORDS}", 44) == ("  one two three four five six seven eight\n  nine ten eleven twelve")


def test_a_labelled_sentence_continues_in_its_column():
    assert folded(f"  what to do  {WORDS}", 44) == (
        "  what to do  one two three four five six\n"
        "              seven eight nine ten eleven\n"
        "              twelve"
    )


@pytest.mark.parametrize(
    "line",
    [
        f"  calculator, rest    84.2    exact  {WORDS}",
        f"  instrumented-calc report {WORDS}",
        f"  command     python {WORDS}",
        f"  write       result = {WORDS}",
        f"              {WORDS}",
        WORDS,
        "  " + 60 * "x",
    ],
)
def test_all_else_stays_whole(line):
    assert folded(line, 44) == line
    assert folded(f"  {WORDS}\n{line}\n", 44).endswith(f"\n{line}\n")


def test_nothing_is_folded_where_no_sentence_fits():
    assert folded(f"  {WORDS}", 20) == f"  {WORDS}"
