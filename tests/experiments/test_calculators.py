"""Calculators as users name them: by name, file, module, factory or instance."""

import re
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest
from ase.calculators.emt import EMT

from instrumented_calc import integration
from instrumented_calc.cli.app import load_command
from instrumented_calc.errors import ExperimentError, ModelError
from instrumented_calc.experiments.calculators import KNOWN, build_calculator
from instrumented_calc.experiments.study.workloads import find_workload
from instrumented_calc.experiments.systems import build_system

ROOT = Path(__file__).parents[2]
SOURCE = """
from ase.calculators.emt import EMT
def good(): return EMT()
class Own(EMT): pass
class Box:
    made = EMT()
instance = EMT()
number = 3
def needs(a): return EMT()
def nothing(): pass
"""


@pytest.fixture
def own_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    (tmp_path / "facs.py").write_text(SOURCE)
    (tmp_path / "one.py").write_text("from ase.calculators.emt import EMT\ncalc = EMT()\n")
    (tmp_path / "json.py").write_text("from ase.calculators.emt import EMT\ndef make(): return EMT()\n")
    (tmp_path / "ends.py").write_text("import sys; sys.exit(3)\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "beside.py").write_text("from ase.calculators.emt import EMT\n")
    (tmp_path / "sub" / "other.py").write_text("import beside\ndef make(): return beside.EMT()\n")
    yield tmp_path
    for name in {*sys.modules} - before:
        if name in {"facs", "one", "ends", "other", "beside", "sub", "sub.other"}:
            del sys.modules[name]


@pytest.mark.parametrize(
    "spec",
    [
        "facs:good",
        "facs.py:good",
        "./facs.py:good",
        "facs:instance",
        "facs.py:Own",
        "facs:Box.made",
        "one",
        "one.py",
        "./one.py:calc",
        "json.py",  # the name of a library
        "sub/other.py",
        "sub/other.py:make",
        "ase.calculators.emt:EMT",
        "ase.calculators.emt.EMT",
    ],
)
def test_a_calculator_of_the_users_own_is_named_in_any_usual_way(spec, own_files):
    assert isinstance(build_calculator(spec), EMT)


def test_a_file_is_named_by_its_whole_path(own_files):
    assert isinstance(build_calculator(f"{own_files}/facs.py:good"), EMT)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("facs", "name one of good, Own, Box, instance, needs, nothing: facs:good"),
        ("facs:god", "did you mean good?"),
        ("facs.py:xyz", "it has good, Own, Box, instance"),
        ("facs:number", "gives int, not a calculator"),
        ("facs:nothing", "gives NoneType, not a calculator"),
        ("facs:needs", "missing 1 required positional argument"),
        ("none.py:good", "none.py: no such file"),
        ("no.such:factory", "No module named 'no'"),
        ("ends.py", "SystemExit: 3"),
        ("mace2", "calc.py:make, where calc.py has: def make(): return"),
        ("emtt", "did you mean emt?"),
    ],
)
def test_what_names_no_calculator_is_one_short_line(spec, expected, own_files):
    with pytest.raises(ModelError) as caught:
        build_calculator(spec)
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message
    assert len(message) < 190
    assert ("did you mean" in message) + ("known: " in message) < 2


def test_every_form_that_is_offered_is_accepted_and_shown():
    """A form that no integration accepts is an unknown calculator; the help and the guide name all."""
    shown = [
        " ".join(parameter.help for parameter in load_command("profile").params if parameter.name == "calc"),
        (ROOT / "docs" / "guide" / "command-line.md").read_text(encoding="utf-8"),
    ]
    for name in ("anisoap", "fennol", "mace", "orb"):
        package = import_module(f"instrumented_calc_{name}")
        assert {*getattr(package.integration, "SPECS", ())} <= {*package.integration.FORMS}
        for form in package.integration.FORMS:
            assert all(re.search(rf"(?<![\w:-]){form}(?![\w:-])", text) for text in shown), form
            with suppress(ModelError):  # without the library, or the file
                assert package.integration.build(form.replace("FILE", "none")) is not None, form
    for form in KNOWN:
        assert all(re.search(rf"(?<![\w:-]){form}(?![\w:-])", text) for text in shown), form


def test_an_unknown_name_lists_one_form_of_each_kind(monkeypatch):
    class Entry:
        def __init__(self, name):
            self.name = name

        def load(self):
            return import_module(f"instrumented_calc_{self.name}").integration

    entries = tuple(map(Entry, ("anisoap", "fennol", "mace", "orb")))
    monkeypatch.setattr(integration, "installed", lambda: entries)
    with pytest.raises(
        ModelError, match="known: emt, lj, morse, anisoap, fennol:FILE, ani-2x, mace:FILE, orb-v2, or"
    ):
        build_calculator("nosuch")
    for wrong, right in (("Orb-v3-direct", "orb-v3-direct"), ("mace-random", "mace:random"), ("EMT", "emt")):
        with pytest.raises(ModelError, match=rf"did you mean {right}\?$"):
            build_calculator(wrong)


def test_near_names_are_alone(own_files):
    with pytest.raises(ExperimentError, match=r"did you mean copper\?$"):
        build_system("coper", 4)
    with pytest.raises(ExperimentError, match=r"did you mean einsum\?$"):
        find_workload("einsm")
