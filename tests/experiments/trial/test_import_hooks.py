"""Actions on modules when a program imports them."""

import importlib
import sys

import pytest

from instrumented_calc.experiments.trial.import_hooks import when_imported


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "__init__.py").write_text("from given.part import number\n")
    (tmp_path / "given" / "part.py").write_text("number = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    finders = list(sys.meta_path)
    yield
    sys.meta_path[:] = finders
    for name in [each for each in sys.modules if each.startswith("given")]:
        del sys.modules[name]


@pytest.mark.usefixtures("package")
def test_a_module_is_changed_before_others_see_it():
    when_imported("given.part", lambda module: setattr(module, "number", 2))
    given = importlib.import_module("given")
    assert given.number == 2
    assert sys.modules["given.part"].__loader__ is sys.modules["given.part"].__spec__.loader
    assert sys.modules["given.part"].__loader__.get_source("given.part") == "number = 1\n"


@pytest.mark.usefixtures("package")
def test_several_actions_follow_one_import():
    seen = []
    when_imported("given.part", lambda _: seen.append("first"))
    when_imported("given.part", lambda _: seen.append("second"))
    importlib.import_module("given")
    assert sorted(seen) == ["first", "second"]


@pytest.mark.usefixtures("package")
def test_a_loaded_module_is_changed_at_once():
    importlib.import_module("given")
    seen = []
    when_imported("given.part", lambda module: seen.append(module.number))
    assert seen == [1]


@pytest.mark.usefixtures("package")
def test_a_module_that_is_missing_stays_missing():
    when_imported("given.nothing", lambda _: None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("given.nothing")
