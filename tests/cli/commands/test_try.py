"""`instrumented-calc try`: real processes, and what a user reads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.reporting.html.pages import Page
from tests.reporting.html.test_page import embedded

from instrumented_calc import integration
from instrumented_calc.cli import main

PROGRAM = """
import sys
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet

atoms = bulk("Cu", cubic=True)
atoms.rattle(0.05, seed=1)
atoms.calc = EMT()
open("result.txt", "w").write("overwritten")
assert sys.argv[1:] == ["--steps", "5000"]
VelocityVerlet(atoms, 1.0).run(int(sys.argv[2]))
"""
ONE_CALL = """
from ase.build import bulk
from ase.calculators.emt import EMT
atoms = bulk("Cu")
atoms.calc = EMT()
atoms.get_forces()
"""
SHORT_CUT = """
from instrumented_calc.integration import Remedy

def knows(calc):
    return False

def remedies(facts):
    if "ase" in facts.modules:
        yield Remedy("no-forces", "leave the forces out", at_first_call=without_forces)
        yield Remedy("no-calculator", "leave all out", at_first_call=fail)

def without_forces(calc):
    first = {}
    calculate = type(calc).calculate
    def short(self, *args):
        if not first:
            calculate(self, *args)
            first.update(self.results)
        self.results = dict(first)
    type(calc).calculate = short

def fail(calc):
    raise RuntimeError("no calculator at all")
"""


@pytest.fixture
def other_remedies(tmp_path_factory, monkeypatch):
    """A package of another author, with a remedy that is fast and wrong, and one that fails."""
    folder = tmp_path_factory.mktemp("other")
    (folder / "shortcut.py").write_text(SHORT_CUT)
    info = folder / "shortcut-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shortcut\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[instrumented_calc.integrations]\nshortcut = shortcut\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", ":".join([str(folder), *filter(None, sys.path)]))
    integration.installed.cache_clear()
    yield
    integration.installed.cache_clear()
    sys.modules.pop("shortcut", None)


@pytest.mark.timeout(600)  # six processes one after the other
@pytest.mark.usefixtures("other_remedies")
def test_remedies_of_others_that_change_values_or_fail_are_out(tmp_path, capsys):
    Path("run.py").write_text(PROGRAM)
    Path("result.txt").write_text("of the user")
    only = ["--only", "no-forces", "--only", "no-calculator", "--calls", "20", "--html", "r.html", "--mask"]
    assert main(["try", *only, "run.py", "--steps", "5000"]) == 0
    printed = capsys.readouterr()
    source = Path("r.html").read_text(encoding="utf-8")
    result = embedded(source, "numbers")
    found = {each["names"][0]: each for each in result["outcomes"]}
    assert found["no-forces"]["verdict"] == "other values"
    assert found["no-calculator"]["verdict"] == "failed"
    assert "no calculator at all" in found["no-calculator"]["why"]
    assert result["headline"].startswith("Nothing helps")
    assert result["calls"] == 20
    assert Path("result.txt").read_text() == "of the user"
    assert "as it is, recorded" in printed.err
    assert result["headline"] in Page(source).words
    assert str(tmp_path) not in source


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give a script or --calc"),
        (["--calc", "emt", "run.py"], "give a script or --calc"),
        (["missing.py"], "no such script"),
        (["--budget", "soon", "run.py"], "give a time"),
        (["--calls", "3", "run.py"], "--calls"),
    ],
)
def test_wrong_usage_is_one_line(words, message, capsys):
    Path("run.py").write_text("")
    assert main(["try", *words]) in {2, 5}
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise ValueError('broken')", "the program fails as it is: exit code 1: ValueError: broken"),
        ("pass", "no force call was seen"),
        (ONE_CALL, "makes 1 force calls"),
    ],
)
def test_a_program_that_cannot_be_timed_is_refused(code, message, capsys):
    Path("run.py").write_text(code)
    assert main(["try", "run.py"]) == 5
    assert message in capsys.readouterr().err
