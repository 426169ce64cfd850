"""Every command has a module and a line of `--help`."""

from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.parametrize("words", [["--help"], ["report", "--help"], ["schema"]])
def test_commands_that_need_no_numpy_do_not_load_it(words):
    code = f"import sys, instrumented_calc.cli as cli; cli.main({words}); sys.exit('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
