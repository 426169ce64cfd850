"""MACE: the real mace-torch and a small real model with random weights."""

import copy
import math
import pickle
import re
import sys
import warnings
from importlib import metadata

import numpy as np
import pytest
from ase.calculators.emt import EMT

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    # mace-torch reports how it loads files, and uses TorchScript, which torch calls deprecated.
    warnings.simplefilter("ignore")
    mace = pytest.importorskip("mace.calculators")
    from mace.tools.compile import prepare
    from mace.tools.scripts_utils import extract_model

from matscipy.neighbours import neighbour_list  # noqa: E402 - installed with mace-torch
from tests.integrations.silicon import rows_of, silicon, simulated  # noqa: E402 - after importorskip
from tests.support import read_records  # noqa: E402 - after importorskip

from instrumented_calc import ProfiledCalculator, recording  # noqa: E402 - after importorskip
from instrumented_calc.capture.parts.stand_ins import StandIn  # noqa: E402 - after importorskip
from instrumented_calc.errors import ModelError  # noqa: E402 - after importorskip
from instrumented_calc_mace import integration, random_model  # noqa: E402 - after importorskip

MODEL_PARTS = {"embedding", "interactions", "products", "readout", "backward (forces, stress)"}
pytestmark = [
    pytest.mark.usefixtures("one_torch_thread"),
    # Warnings of mace-torch, e3nn and torch itself.
    pytest.mark.filterwarnings("ignore:Environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The TorchScript type system:UserWarning"),
]


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Two models that differ in their random numbers."""
    folder = tmp_path_factory.mktemp("mace")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [random_model(folder / f"fit_{seed}.model", seed) for seed in (0, 1)]


@pytest.fixture
def calc(files):
    return mace.MACECalculator(model_paths=files[0])


def test_positions_energies_and_forces_are_bitwise_those_of_the_bare_calculator(calc, files):
    bare = simulated(mace.MACECalculator(model_paths=files[0]))
    profiled = simulated(ProfiledCalculator(calc))
    assert np.array_equal(profiled.positions, bare.positions)
    assert profiled.get_potential_energy() == bare.get_potential_energy()
    assert np.array_equal(profiled.get_forces(), bare.get_forces())
    assert np.array_equal(profiled.get_stress(), bare.get_stress())
    assert np.abs(bare.get_forces()).max() > 0
    assert recording(profiled.calc).calls == 11


def test_the_parts_are_those_of_the_integration_and_fill_the_call(calc):
    calc = ProfiledCalculator(calc)
    simulated(calc, repeat=2)
    rows = rows_of(calc)[1:]
    for row in rows:
        assert set(row["components"]) >= {"graph", *MODEL_PARTS}
        # Neighbour lists are timed in any calculator; no other module is.
        assert set(row["components"]) <= {"graph", "neighbour list", *MODEL_PARTS}
    shares = [sum(row["components"].values()) / row["wall_ns"] for row in rows]
    assert 0.85 < sorted(shares)[len(shares) // 2] <= 1
    (lane,) = read_records().of("lane")
    assert lane["groups"]["graph"] == "neighbours"
    assert lane["groups"]["interactions"] == "model"
    assert lane["groups"]["readout"] == "energy"


def test_edges_are_counted(calc):
    atoms = silicon()
    edges = len(neighbour_list("i", atoms, calc.r_max))
    atoms.calc = ProfiledCalculator(calc)
    atoms.get_forces()
    (row,) = rows_of(atoms.calc)
    assert row["counts"]["edges"] == edges


def test_edges_that_only_fill_a_padded_batch_are_not_counted(files):
    calc = ProfiledCalculator(mace.MACECalculator(model_paths=files[0], pad_num_atoms=10, pad_num_edges=2000))
    simulated(calc, steps=1)
    assert all("edges" not in row.get("counts", {}) for row in rows_of(calc))


def test_a_model_is_described(calc):
    assert integration.knows(calc)
    described = integration.describe(calc)
    assert described.pop("parameters") == sum(each.numel() for each in calc.models[0].parameters())
    assert described == {
        "name": "MACE",
        "dtype": "float32",
        "device": "cpu",
        "compiled": False,
        "cutoff": 5.0,
        "interactions": 2,
        "head": "Default",
        "library": f"mace-torch {metadata.version('mace-torch')}",
    }


def test_the_members_of_a_committee_share_their_rows_and_are_counted(files):
    bare = simulated(mace.MACECalculator(model_paths=files), steps=2)
    calc = ProfiledCalculator(mace.MACECalculator(model_paths=files))
    profiled = simulated(calc, steps=2)
    assert np.array_equal(profiled.get_forces(), bare.get_forces())
    assert np.array_equal(profiled.calc.results["energies"], bare.calc.results["energies"])
    described = integration.describe(calc)
    assert described["name"] == "MACE, committee of 2"
    assert described["models"] == 2
    assert set(rows_of(calc)[0]["components"]) <= {"graph", "neighbour list", *MODEL_PARTS}


def test_nothing_is_left_on_the_calculator_after_a_call(calc):
    calc.get_potential_energy(silicon())  # TorchScript's modules store their forward when it is first called
    attributes = [set(vars(module)) for module in calc.models[0].modules()]
    consumer = sys.modules[type(calc.models[0]).__module__]
    simulated(ProfiledCalculator(calc), steps=1)
    assert [set(vars(module)) for module in calc.models[0].modules()] == attributes
    assert not any(isinstance(value, StandIn) for value in vars(calc).values())
    assert not isinstance(consumer.get_outputs, StandIn)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])  # noqa: S301 - our own
def test_a_copy_computes_the_same_with_weights_of_its_own(duplicate, calc):
    calc = ProfiledCalculator(calc)
    energy = calc.get_potential_energy(silicon())
    other = duplicate(calc)
    assert other.models[0] is not calc.models[0]
    other.reset()
    assert other.get_potential_energy(silicon()) == energy


@pytest.mark.filterwarnings("ignore")  # mace-torch and torch.compile warn of what they do
class TestCompiled:
    """A compiled model is one part, and torch.compile compiles what it compiles without us."""

    @pytest.fixture(autouse=True)
    def fresh(self):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        yield
        torch._dynamo.reset()

    def compiled(self, calc):
        """Return a calculator as `compile_mode` makes it, but with a backend that is quick."""
        model = prepare(extract_model)(model=calc.models[0], map_location="cpu")
        compiled = mace.MACECalculator(models=torch.compile(model, backend="eager", fullgraph=True))
        compiled.use_compile = True
        return compiled

    def counters(self):
        counters = torch._dynamo.utils.counters
        return {name: dict(counters[name]) for name in ("stats", "graph_break", "recompiles")}

    def test_it_is_one_part_and_compiled_as_without_profiling(self, calc):
        bare = simulated(self.compiled(calc), steps=3)
        expected = self.counters()
        assert expected["stats"]["unique_graphs"] > 0
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        profiled = simulated(ProfiledCalculator(self.compiled(calc)), steps=3)
        assert self.counters() == expected
        assert np.array_equal(profiled.get_forces(), bare.get_forces())
        assert integration.describe(profiled.calc)["compiled"] is True
        for row in rows_of(profiled.calc):
            assert row["components"]["model (compiled)"] > 0
            assert not MODEL_PARTS & set(row["components"])


class TestSpecs:
    def test_random_is_a_small_model_whose_md_is_stable(self):
        calc = integration.build("mace:random")
        assert integration.describe(calc)["name"] == "MACE random"
        atoms = simulated(calc, steps=20)
        assert math.isfinite(atoms.get_potential_energy())
        assert 0.01 < np.abs(atoms.get_forces()).max() < 1  # eV/A

    def test_a_file_is_a_model_and_a_pattern_a_committee(self, files, calc):
        atoms = silicon()
        (one, two) = (integration.build(f"mace:{source}") for source in (files[0], files[0].parent / "fit_*"))
        assert one.get_potential_energy(atoms) == calc.get_potential_energy(atoms)
        assert len(two.models) == 2
        assert integration.describe(one)["name"] == "MACE fit_0"
        assert integration.describe(two)["name"] == "MACE fit_0, committee of 2"

    @pytest.mark.parametrize("spec", ["mace", "mace:", "mace:medium", "mace:gone/*.model"])
    def test_a_file_that_does_not_exist_is_reported_with_the_remedy(self, spec):
        with pytest.raises(
            ModelError, match=f"^{re.escape(repr(spec))}: no such model file: give mace:FILE"
        ) as caught:
            integration.build(spec)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("contents", [b"", b"hello", "no model"])
    def test_a_file_without_a_model_is_refused_in_one_line(self, contents, tmp_path):
        path = tmp_path / "fit.model"
        if isinstance(contents, bytes):
            path.write_bytes(contents)
        else:
            torch.save({"elsewhere": torch.zeros(1)}, path)
        with pytest.raises(ModelError, match=f"^mace:{path}: no MACE model can be loaded") as caught:
            integration.build(f"mace:{path}")
        assert "\n" not in str(caught.value)

    def test_a_spec_of_another_library_is_left_alone(self):
        assert integration.build("emt") is None
        assert integration.build("mace_calculators:MACE") is None


def test_other_calculators_are_not_known():
    assert not integration.knows(EMT())


def test_random_weights_depend_on_the_seed_and_leave_torchs_own_state_alone(files, tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    again = random_model(tmp_path / "again.model", seed=1)
    assert torch.equal(torch.rand(4), expected)
    assert torch.get_default_dtype() is torch.float32
    weights = [torch.load(path, weights_only=False).node_embedding.linear.weight for path in (*files, again)]
    assert not torch.equal(weights[0], weights[1])
    assert torch.equal(weights[1], weights[2])
