"""Errors speak of options as they are typed, and of numbers instead of types."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from instrumented_calc.cli import main
from instrumented_calc.cli.app import COMMANDS, load_command
from instrumented_calc.cli.plain_errors import in_options

OF_CLICK = re.compile(r"not a valid|in the range|<[a-z]|x>=|\(s\)|Invalid value for '--[a-z-]+': '")
NUMBERS = [
    (name, each.opts[0])
    for name in COMMANDS
    for each in load_command(name).params
    if each.type.name.startswith(("int", "float"))
]


@pytest.fixture(autouse=True)
def folder(tmp_path):
    Path("script.py").touch()
    return tmp_path


def said(words, capsys):
    assert main(words) in {2, 5}
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert len(error) < 200
    return error.removeprefix("error: ").partition(". Try")[0]


def test_there_are_options_of_numbers():
    assert len(NUMBERS) > 15


@pytest.mark.parametrize(("command", "option"), NUMBERS)
def test_every_option_that_takes_a_number_says_so(command, option, capsys):
    error = said([command, option, "x"], capsys)
    assert re.match(
        rf"{option} must be (an integer|a number)( of at least [\d.]+| from \d+ to \d+)?, not 'x'$", error
    )
    assert not OF_CLICK.search(error)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["profile", "--n-atoms", "x"], "--n-atoms must be an integer of at least 1, not 'x'"),
        (["profile", "--n-atoms", "0"], "--n-atoms must be an integer of at least 1, not 0"),
        (["study", "--time-limit", "0"], "--time-limit must be a number of at least 0.1, not 0"),
        (["scale", "--seed", "1.5"], "--seed must be an integer, not '1.5'"),
        (["scale", "--format", "xml"], "--format must be one of text, markdown, json, not 'xml'"),
        (
            ["profile", "--n-atoms", "9999999"],
            "--n-atoms must be an integer from 1 to 1,000,000, not 9999999",
        ),
        (["profile", "--temperature", "-5"], "--temperature must be a number from 0 to 100,000, not -5"),
        (["profile", "--timestep", "0"], "--timestep must be a number from 0.001 to 1,000, not 0"),
        (["scale", "--time-limit", "nan"], "--time-limit must be a number from 0.001 to 1e+07, not nan"),
        (["compare-all", "--temperature", "-5"], "--temperature must be a number from 0 to 100,000, not -5"),
        (["profile", "--output", " "], "--output ' ': not a file name; give one such as run.jsonl"),
        (
            ["profile", "--trace", "0"],
            "--trace must be auto, off or a number of calls of at least 1, not '0'",
        ),
        (["schema", "x"], "unexpected argument: x"),
        (["profile", "--n-atom", "4"], "No such option: --n-atom; did you mean --n-atoms?"),
    ],
)
def test_an_error_in_plain_words(words, expected, capsys):
    assert said(words, capsys).strip().removesuffix(" Try: instrumented-calc profile --help") == expected


@pytest.mark.parametrize("words", [["profile", "--n-atoms"], ["report", "--all=3"], ["run", "--output"]])
def test_an_option_without_its_value_names_the_help_of_its_command(words, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err.endswith(f" Try: instrumented-calc {words[0]} --help\n")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="Linux only")
@pytest.mark.parametrize("words", [["run", "script.py"], ["demo"], ["profile"]])
def test_a_journal_that_cannot_be_written_names_the_option_that_gave_its_path(words, capsys):
    error = said([words[0], "--output", "/proc/x", *words[1:]], capsys)
    assert error == "/proc/x: No such file or directory; pass --output with a writable path\n"


def test_checking_a_journal_leaves_no_file(capsys, folder):
    assert main(["profile", "--calc", "none.py:make", "--output", "new.jsonl"]) == 5
    assert [path.name for path in folder.iterdir()] == ["script.py"]


def test_text_without_an_argument_of_the_api_stays_as_it_is():
    for text in ("unknown system 'x'", "run.jsonl: not a journal", "no file matches a=b: c"):
        assert in_options(text) == text
