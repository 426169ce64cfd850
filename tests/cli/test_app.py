"""Every command has a module and a line of `--help`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from instrumented_calc._version import __version__
from instrumented_calc.cli import commands, main
from instrumented_calc.cli.app import COMMANDS


def test_each_module_of_a_command_is_listed():
    (folder,) = map(Path, commands.__path__)
    modules = {path.stem.removesuffix("_").replace("_", "-") for path in folder.glob("*.py")} - {"--init-"}
    assert modules == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_help_of_its_own(name, capsys):
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: instrumented-calc {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_short_option_shows_the_same_help(name, capsys):
    assert main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert main([name, "-h"]) == 0
    assert capsys.readouterr().out == shown


def test_short_options_of_the_program(capsys):
    assert main(["-V"]) == 0
    assert capsys.readouterr().out == f"instrumented-calc {__version__}\n"
    assert main(["-h"]) == 0
    assert "\nCommands:\n" in capsys.readouterr().out


def test_without_a_command_the_help_is_shown(capsys):
    assert main([]) == 2
    assert "\nCommands:\n" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["report", "--nonsense"], ["run"], ["validate"], ["demo", "--steps", "x"]])
def test_wrong_usage_names_the_help_of_its_command(words, capsys):
    assert main(words) == 2
    assert capsys.readouterr().err.endswith(f" Try: instrumented-calc {words[0]} --help\n")


def test_the_help_is_named_in_a_sentence_of_its_own(capsys):
    assert main(["report", "-x"]) == 2
    assert capsys.readouterr().err == "error: No such option: -x. Try: instrumented-calc report --help\n"


@pytest.mark.parametrize(
    "name", ["demo", "run", "report", "profile", "compare-all", "scale", "study", "ingest", "bundle"]
)
def test_every_output_has_its_short_option(name, capsys):
    assert main([name, "--help"]) == 0
    assert "-o, --output" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "meant"), [("run.jsonl", "report"), ("md.py", "run")])
def test_a_file_in_place_of_a_command_names_the_command(name, meant, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).touch()
    assert main([name]) == 2
    assert f"Did you mean: instrumented-calc {meant} {name}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [("instrumented-calc rep", "report"), ("instrumented-calc report --req", "--require")],
)
def test_the_shell_completes_commands_and_options(words, expected):
    shell = {
        "_INSTRUMENTED_CALC_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    done = subprocess.run(
        [sys.executable, "-m", "instrumented_calc"],
        capture_output=True, text=True, check=False, env={**os.environ, **shell},
    )  # fmt: skip
    assert done.stdout.split() == [expected]


def test_a_misspelt_command_is_wrong_usage(capsys):
    assert main(["compar"]) == 2
    assert "No such command 'compar'" in capsys.readouterr().err


def test_help_loads_neither_numpy_nor_ase():
    lines = [["--help"], ["schema"], *([name, "--help"] for name in COMMANDS)]
    code = (
        f"import sys, instrumented_calc.cli as cli\nfor words in {lines}: cli.main(words)\n"
        "sys.exit(' '.join({'numpy', 'ase', 'torch'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
    assert all(f"Usage: instrumented-calc {name}" in done.stdout for name in COMMANDS)
