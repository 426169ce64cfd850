"""Every command has a module and a line of `--help`."""

from __future__ import annotations

from pathlib import Path

import pytest

from instrumented_calc.cli import commands, main
from instrumented_calc.cli.app import COMMANDS


def test_each_module_of_a_command_is_listed():
    (folder,) = map(Path, commands.__path__)
    modules = {path.stem.replace("_", "-") for path in folder.glob("*.py")} - {"--init--"}
    assert modules == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_help_of_its_own(name, capsys):
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: instrumented-calc {name}")


def test_a_misspelt_command_is_wrong_usage(capsys):
    assert main(["compar"]) == 2
    assert "No such command 'compar'" in capsys.readouterr().err
