"""Command lines that need no parser do what the parser would do."""

from __future__ import annotations

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from instrumented_calc import profiled
from instrumented_calc._version import __version__
from instrumented_calc.cli import main
from instrumented_calc.cli.without_parser import without_parser


@pytest.mark.parametrize("words", [["--version"], ["-V"], ["watch"], ["watch", "run.jsonl"]])
def test_these_need_no_parser(words):
    assert without_parser(words) is not None


@pytest.mark.parametrize(
    "words",
    [
        *([], ["--help"], ["report", "run.jsonl"], ["--version", "watch"], ["--versio"]),
        *(["watch", "--once"], ["watch", "-h"]),
        *(["watch", "--", "run.jsonl"], ["watch", "a.jsonl", "b.jsonl"]),
    ],
)
def test_all_else_is_parsed(words):
    assert without_parser(words) is None


def test_both_ways_print_the_same(capsys):
    atoms = bulk("Cu", cubic=True)
    with profiled(EMT(), "run.jsonl", summary=False) as atoms.calc:
        atoms.get_potential_energy()
    shown = []
    for words in (["watch", "run.jsonl"], ["watch", "--", "run.jsonl"], ["watch"]):
        assert main(words) == 0
        shown.append(_without_clock(capsys.readouterr().out))
    assert shown[0] == shown[1] == shown[2]
    assert "EMT on Cu4" in shown[0]


def _without_clock(text: str) -> str:
    first, _, rest = text.partition("\n")
    return first.rpartition("  ")[0] + rest


@pytest.mark.parametrize("words", [["watch", ""], ["watch", "none.jsonl"], ["watch", "\udcff"]])
def test_both_ways_fail_alike(words, capsys):
    codes = [main(words), main([words[0], "--", words[1]])]
    first, second = capsys.readouterr().err.splitlines()
    assert codes == [5, 5]
    assert first == second


def test_both_ways_name_the_same_version(capsys):
    assert main(["--version"]) == main(["--version", "watch"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second == f"instrumented-calc {__version__}"
