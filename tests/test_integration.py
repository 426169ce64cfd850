"""How integrations are found, asked, and survived when they fail."""

import subprocess
import sys

import pytest
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT

from instrumented_calc import integration
from instrumented_calc.capture.identity.identity import identify
from instrumented_calc.capture.parts.holdings import holdings


def described(calc):
    """Return the evidence about a calculator's model, and the errors."""
    troubles = []
    known_by = integration.find_integration(calc, troubles)
    return identify(calc, holdings(calc), known_by, troubles), troubles


class Foreign(Calculator):
    """Stands for any calculator that is not ASE's own."""


GOOD = """
class Known:
    def knows(self, calc):
        return type(calc).__name__ == "Foreign"
    def describe(self, calc):
        return {"name": "Known model", "parameters": 7}
integration = Known()
"""
SILENT = GOOD.replace('"Foreign"', '"Nothing"')
BROKEN = "raise ImportError('no such library')"
RUDE = GOOD.replace('return {"name"', 'raise RuntimeError("no idea")\n        return {"name"')


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a package with an integration, as pip would."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(name, source):
        (tmp_path / f"{name}.py").write_text(source)
        metadata = tmp_path / f"{name}-1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        entry = f"[{integration.GROUP}]\n{name} = {name}:integration\n"
        (metadata / "entry_points.txt").write_text(entry)
        integration.installed.cache_clear()

    yield put
    integration.installed.cache_clear()
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


def test_the_integration_that_knows_a_calculator_describes_it(install):
    install("ic_silent", SILENT)
    install("ic_good", GOOD)
    assert described(Foreign()) == ({"name": "Known model", "parameters": 7}, [])


def test_a_calculator_of_ases_own_asks_no_one(install):
    install("ic_broken", BROKEN)
    troubles = []
    assert integration.find_integration(EMT(), troubles) is None
    assert troubles == []
    assert "ic_broken" not in sys.modules


def test_an_integration_that_cannot_be_imported_is_skipped_and_reported(install):
    install("ic_broken", BROKEN)
    install("ic_good", GOOD)
    model, troubles = described(Foreign())
    assert model["name"] == "Known model"
    assert troubles == ["integration ic_broken:integration skipped for Foreign: ImportError: no such library"]


def test_an_integration_that_cannot_describe_is_reported_and_leaves_the_generic_description(install):
    install("ic_rude", RUDE)
    assert described(Foreign()) == (
        {"name": "Foreign"},
        ["integration ic_rude failed in describe() of Foreign: RuntimeError: no idea"],
    )


def test_no_one_is_asked_twice_where_the_environment_is():
    assert integration.installed() is integration.installed()


def test_importing_the_protocol_imports_no_library():
    script = "import sys, instrumented_calc.integration; print({'ase', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout == "set()\n"
