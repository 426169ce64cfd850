"""`--output` is the one name of what a command writes, and is checked before any work."""

from pathlib import Path

import pytest

from instrumented_calc.cli import main
from instrumented_calc.cli.app import COMMANDS, load_command


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize("option", ["--output", "-o", "--journal"])
@pytest.mark.parametrize("words", [["demo", "--steps", "1"], ["profile", "--steps", "1"]])
def test_one_option_and_its_former_name(words, option, folder):
    assert main([*words, option, "nvt.jsonl"]) == 0
    assert (folder / "nvt.jsonl").is_file()
    assert main([*words, option, "folder"]) == 0
    assert (folder / "folder" / "run.jsonl").is_file()


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_shows_the_former_name(name, capsys):
    assert main([name, "--help"]) == 0
    assert "--journal" not in capsys.readouterr().out


def test_every_command_that_writes_a_file_or_folder_has_the_option():
    writers = {
        "bundle",
        "compare-all",
        "demo",
        "gate",
        "ingest",
        "profile",
        "report",
        "run",
        "scale",
        "study",
        "try",
    }
    has = {name for name in COMMANDS if any("--output" in each.opts for each in load_command(name).params)}
    assert has == writers


@pytest.mark.parametrize("name", ["demo", "profile"])
def test_the_output_is_checked_before_anything_is_built(name, capsys):
    words = [name, "--calc", "slow.py", "--n-atoms", "65", "--output", "no/such/run.jsonl"]
    Path("slow.py").write_text("raise SystemExit('was imported')\n", encoding="utf-8")
    assert main(words) == 5
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "pass --output with another path" in said


@pytest.mark.slow
def test_a_wrong_calculator_does_not_spoil_the_folder_of_a_scaling(folder, capsys):
    small = ["scale", "--sizes", "4", "--steps", "2", "--replicates", "1"]
    assert main([*small, "--calc", "foo"]) == 5
    assert "unknown calculator 'foo'" in capsys.readouterr().err
    assert main(small) == 0
