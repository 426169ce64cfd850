"""A lane's record states what the calculator is: library, model, settings and weights."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import pathlib
import sys
from types import SimpleNamespace

import ase
import numpy as np
import pytest
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.tip3p import TIP3P
from tests.capture import zoo
from tests.capture.zoo import copper
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.identity import distribution
from instrumented_calc.capture.identity.distribution import library_of
from instrumented_calc.capture.identity.identity import identify
from instrumented_calc.capture.parts.holdings import holdings


class FooCalculator(Calculator):
    """Stands for any calculator that is not ASE's own."""


def described(calculator):
    troubles = []
    evidence = identify(calculator, holdings(calculator), None, troubles)
    assert troubles == []
    json.dumps(evidence)
    return evidence


def test_ases_own_calculators_have_their_name_and_version():
    assert described(EMT()) == {
        "name": "EMT",
        "library": f"ase {ase.__version__}",
        "settings": {"asap_cutoff": False},
    }
    assert described(TIP3P())["name"] == "TIP3P"


def test_a_users_class_has_no_library_and_is_named_without_calculator():
    assert described(FooCalculator()) == {"name": "Foo"}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that installs a distribution and imports its calculator."""

    def put(name, module, **files):
        info = tmp_path / f"{name.replace('-', '_')}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        for file, text in files.items():
            (info / file.replace("_txt", ".txt")).write_text(text)
        package = tmp_path / module
        package.mkdir(exist_ok=True)
        (package / "__init__.py").write_text("class Calc: pass\nclass Sub:\n    class Calc: pass\n")
        (package / "ase.py").write_text("class Calc: pass\n")

    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    distribution._library.cache_clear()
    yield put
    for name in set(sys.modules) - before:
        del sys.modules[name]
    distribution._library.cache_clear()


@pytest.mark.parametrize(
    ("wanted", "files"),
    [
        ("zz-atoms", {}),
        ("ml-zz-atoms-torch", {}),
        ("other", {"top_level_txt": "zz_atoms\nunrelated\n"}),
    ],
)
def test_the_distribution_of_a_class_is_found(installed, wanted, files):
    installed(wanted, "zz_atoms", RECORD="zz_atoms/__init__.py,sha256=x,1\n", **files)
    installed("zz-atoms-plugins", "zz_plugins", top_level_txt="zz_plugins\n")
    from zz_atoms.ase import Calc  # noqa: PLC0415 - just installed

    assert library_of(Calc()) == f"{wanted} 1.5"


def test_a_module_without_a_distribution_has_its_own_version_or_none(installed):
    installed("unrelated", "zz_loose", RECORD="unrelated/__init__.py,,\n")
    import zz_loose  # noqa: PLC0415 - just installed

    assert library_of(zz_loose.Calc()) is None
    from zz_loose import ase as module  # noqa: PLC0415 - just installed

    zz_loose.__version__ = "3.1"
    assert library_of(module.Calc()) == "zz_loose 3.1"


def test_a_users_variant_has_the_library_of_its_base(installed):
    installed("zz-base", "zz_base", top_level_txt="zz_base\n")
    from zz_base import Calc  # noqa: PLC0415 - just installed

    class Variant(Calc):
        pass

    assert library_of(Variant()) == "zz-base 1.5"


def test_the_result_agrees_with_the_standard_library():
    distributions = importlib.metadata.packages_distributions()
    names = {"msgspec", "psutil", "numpy"} & distributions.keys()  # Python 3.10 lists only some
    assert names
    for name in names:
        module = sys.modules[name]
        cls = next(
            each
            for each in vars(module).values()
            if isinstance(each, type) and each.__module__.startswith(name)
        )
        found = library_of(type("Calc", (), {"__module__": cls.__module__})())
        (known,) = set(distributions[name])
        assert found == f"{known} {importlib.metadata.version(known)}"


def test_settings_are_plain_bounded_and_without_secrets():
    spring = zoo.Spring()
    spring.parameters |= {
        "method": "GFN2-xTB",
        "api_key": "very-secret",
        "kpts": (2, 2, 2),
        "nested": {"deep": {"deeper": {"deepest": {"no": 1}}}},
        "big": np.zeros(10_000),
        "text": "x" * 10_000,
        "nan": float("nan"),
        "directory": "/scratch/one",
        "callback": print,
    } | {f"more{n}": n for n in range(100)}
    settings = described(spring)["settings"]
    assert settings["method"] == "GFN2-xTB"
    assert settings["api_key"] == "***"
    assert settings["kpts"] == [2, 2, 2]
    assert len(settings["text"]) == 200
    assert not {"big", "nan", "directory", "callback"} & settings.keys()
    assert len(settings) <= 50
    assert len(json.dumps(settings)) < 3000


def test_weights_are_named_and_hashed(tmp_path):
    weights = tmp_path / "model-v2.pth"
    weights.write_bytes(b"w" * 1_500_000)
    for path in (str(weights), weights):
        calc = FooCalculator()
        calc.inner = SimpleNamespace(unrelated="text", checkpoint=path)
        assert described(calc) == {
            "name": "Foo",
            "weights_file": "model-v2.pth",
            "weights_sha256": hashlib.sha256(b"w" * 1_000_000).hexdigest(),
        }
    calc.inner.checkpoint = str(tmp_path / "missing.pth")
    assert described(calc) == {"name": "Foo"}


def test_no_code_of_the_calculator_runs():
    class Touchy(FooCalculator):
        ready = False

        def __getattr__(self, name):
            raise AssertionError(name) if type(self).ready else AttributeError(name)

        @property
        def model(self):
            raise AssertionError

    class Value(dict):
        def items(self):
            raise AssertionError

        def __eq__(self, other):
            raise AssertionError

        __hash__ = None

    calc = Touchy()
    calc.value = Value(a=1)
    calc.parameters = Value(cutoff=3)
    calc.me = [calc, {"calc": calc}]
    Touchy.ready = True
    assert described(calc) == {"name": "Touchy", "settings": {"cutoff": 3}}


def test_a_path_that_cannot_be_read_is_passed_over(tmp_path):
    calc = FooCalculator()
    calc.model_path = str(tmp_path / "model.pt")
    pathlib.Path(calc.model_path).mkdir()
    assert described(calc) == {"name": "Foo"}


def test_the_lane_of_a_run_has_it():
    atoms = copper()
    atoms.calc = ProfiledCalculator(EMT())
    atoms.get_potential_energy()
    recording(atoms.calc).close()
    (lane,) = read_records().of("lane")
    assert lane["model"]["library"] == f"ase {ase.__version__}"
    assert "compiled" not in lane["model"]


class TestTorch:
    """Models of torch, found anywhere in the calculator."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    @pytest.fixture
    def potential(self, torch):
        class Potential(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = torch.nn.ModuleList([torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)])
                self.register_buffer("r_max", torch.tensor(4.5))

            def parameters(self, *_):
                raise AssertionError

        return Potential

    def test_the_model_is_named_with_its_calculator(self, potential):
        calc = FooCalculator()
        calc.engine = SimpleNamespace(models=[potential()])
        assert described(calc) == {
            "name": "Foo (Potential)",
            "architecture": "Potential",
            "parameters": 21,
            "dtype": "float32",
            "device": "cpu",
            "cutoff": 4.5,
        }

    def test_a_committee_and_a_stated_name(self, potential):
        calc = FooCalculator()
        calc.models = [potential(), potential()]
        calc.model_name = "foo-2024"
        found = described(calc)
        assert (found["name"], found["models"], found["parameters"]) == ("Foo (foo-2024)", 2, 21)

    def test_parameters_without_a_shape_are_not_counted(self, torch):
        calc = FooCalculator()
        calc.model = torch.nn.LazyLinear(2)
        assert described(calc) == {"name": "Foo (LazyLinear)", "architecture": "LazyLinear"}

    def test_a_compiled_model_is_said_to_be_compiled(self, torch, potential):
        calc = FooCalculator()
        calc.model = torch.compile(potential(), backend="eager")
        found = described(calc)
        assert (found["name"], found["compiled"]) == ("Foo (Potential)", True)
        calc.model = potential()
        calc.forward = torch.compile(lambda x: x, backend="eager")
        assert described(calc)["compiled"]

    @pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
    def test_torchscript_is_a_form_of_its_own(self, torch):
        calc = FooCalculator()
        calc.model = torch.jit.script(torch.nn.Linear(3, 4))
        found = described(calc)
        assert (found["form"], found["parameters"]) == ("TorchScript", 16)
        assert "compiled" not in found


def test_layers_in_training_mode_are_named_unless_the_first_call_ends_it(tmp_path):
    torch = pytest.importorskip("torch")

    class Trained(Calculator):
        implemented_properties = ("energy",)

        def __init__(self, *, evaluates):
            super().__init__()
            layers = (
                torch.nn.Linear(1, 1),
                torch.nn.Dropout(0.1),
                torch.nn.Dropout(0.0),
                torch.nn.BatchNorm1d(1),
            )
            self.model, self.evaluates = torch.nn.Sequential(*layers), evaluates

        def calculate(self, *arguments):
            super().calculate(*arguments)
            if self.evaluates:
                self.model.eval()
            self.results = {"energy": self.model(torch.ones(2, 1)).sum().item()}

    found = []
    for evaluates in (True, False):
        atoms, path = copper(), tmp_path / f"{evaluates}.jsonl"
        atoms.calc = ProfiledCalculator(Trained(evaluates=evaluates), path, summary=False)
        atoms.get_potential_energy()
        recording(atoms.calc).run.close()
        found.append(read_records(path).of("lane")[-1]["model"].get("training"))
    assert found == [None, {"Dropout": 1, "BatchNorm1d": 1}]
