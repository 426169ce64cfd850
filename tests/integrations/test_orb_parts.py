"""Orb from the inside: its parts in real calls, eager, conservative and compiled."""

import copy
import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    # orb-models uses TorchScript as it is imported, which torch calls deprecated.
    warnings.simplefilter("ignore", FutureWarning)
    pytest.importorskip("orb_models.forcefield.pretrained")

from tests.integrations.orb_models_built import CONSERVATIVE, DIRECT, built  # noqa: E402 - after the possible skip
from tests.integrations.silicon import rows_of, silicon, simulated  # noqa: E402 - after importorskip
from tests.support import read_records  # noqa: E402 - after importorskip

from instrumented_calc import ProfiledCalculator  # noqa: E402 - after importorskip
from instrumented_calc.capture.parts.stand_ins import StandIn  # noqa: E402 - after importorskip
from instrumented_calc_orb import OrbCalculator, integration  # noqa: E402 - after importorskip

pytestmark = [
    pytest.mark.usefixtures("one_torch_thread"),
    # Warnings of orb-models itself: it passes tensors to numpy functions, and its loader reports progress.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Setting global torch default dtype:UserWarning"),
    pytest.mark.filterwarnings("ignore:Found key in model, missing in state_dict:UserWarning"),
]


@pytest.fixture
def dynamo():
    """Return a function that returns what torch.compile did since the last time, and makes it forget it."""

    def take():
        counters = torch._dynamo.utils.counters
        found = {name: dict(counters[name]) for name in ("frames", "graph_break", "stats")}
        torch._dynamo.reset()
        counters.clear()
        return found

    take()
    yield take
    take()


def test_message_passing_is_the_largest_part_of_orb_v2_and_the_parts_fill_the_call():
    atoms = simulated(ProfiledCalculator(OrbCalculator(built(layers=4), device="cpu")), steps=4, repeat=2)
    for row in rows_of(atoms.calc)[1:]:
        parts = row["components"]
        assert max(parts, key=parts.get) == "message passing"
        assert 0.9 * row["wall_ns"] < sum(parts.values()) <= row["wall_ns"]


def test_every_part_is_seen_and_edges_are_counted():
    calc = ProfiledCalculator(OrbCalculator(built(), device="cpu"))
    simulated(calc, steps=1)
    rows = rows_of(calc)
    assert set(rows[0]["components"]) >= {
        "graph",
        "featurise",
        "encoder",
        "message passing",
        "decoder",
        "energy head",
        "forces head",
        "stress head",
        "results to host",
    }
    # 20 neighbours at most, and silicon has more within 6 A
    assert all(row["counts"] == {"edges": 8 * 20} for row in rows)
    (lane,) = read_records().of("lane")
    assert lane["groups"]["graph"] == "neighbours"
    assert lane["groups"]["forces head"] == "forces"


@pytest.mark.parametrize("kind", ["orb_v2", CONSERVATIVE, DIRECT])
def test_positions_energies_and_forces_are_bitwise_those_of_the_bare_calculator(kind):
    # TorchScript's first calls compute otherwise.
    simulated(OrbCalculator(built(kind=kind), device="cpu"), steps=4)
    bare = simulated(OrbCalculator(built(kind=kind), device="cpu"), steps=4)
    profiled = simulated(ProfiledCalculator(OrbCalculator(built(kind=kind), device="cpu")), steps=4)
    assert np.array_equal(profiled.positions, bare.positions)
    assert profiled.get_potential_energy() == bare.get_potential_energy()
    assert np.array_equal(profiled.get_forces(), bare.get_forces())


def test_the_backward_pass_of_a_conservative_model_is_forces_and_stress():
    calc = ProfiledCalculator(integration.build("orb-v3-conservative:random"))
    simulated(calc, steps=1)
    row = rows_of(calc)[-1]
    assert row["components"]["backward (forces, stress)"] > 0
    assert row["components"]["pair repulsion"] > 0
    (lane,) = read_records().of("lane")
    assert "backward (forces, stress)" in lane["groups"]


def test_nothing_is_left_on_the_model_after_a_call():
    bare = OrbCalculator(built(), device="cpu")
    modules = [dict(vars(module)) for module in bare.model.modules()]
    calc = ProfiledCalculator(bare)
    simulated(calc, steps=1)
    assert [dict(vars(module)) for module in bare.model.modules()] == modules
    assert not any(isinstance(value, StandIn) for value in vars(bare).values())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])  # noqa: S301 - our own
def test_a_copy_and_the_original_compute_with_separate_weights(duplicate):
    calc = ProfiledCalculator(OrbCalculator(built(), device="cpu"))
    atoms = silicon()
    energy = calc.get_potential_energy(atoms)
    other = duplicate(calc)
    with torch.no_grad():
        for parameter in other.model.parameters():
            parameter.mul_(1.5)
    other.reset()
    assert other.get_potential_energy(atoms) != energy
    calc.reset()
    assert calc.get_potential_energy(atoms) == energy


class TestCompiled:
    """A compiled backbone is one part, and stays as it was compiled."""

    @pytest.fixture
    def compiled(self):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        calc = OrbCalculator(built(), device="cpu")
        calc.model.model.compile(backend="eager", dynamic=True)
        yield calc
        torch._dynamo.reset()

    def frames(self):
        return torch._dynamo.utils.counters["frames"]["total"]

    def test_it_is_timed_as_a_whole(self, compiled):
        calc = ProfiledCalculator(compiled)
        simulated(calc, steps=2)
        for row in rows_of(calc):
            assert row["components"]["backbone (compiled)"] > 0
            assert "message passing" not in row["components"]

    def test_it_is_not_traced_again_and_stays_compiled(self, compiled):
        entry = vars(compiled.model.model)["_compiled_call_impl"]
        compiled.get_potential_energy(silicon())
        before = self.frames()
        assert before > 0
        simulated(ProfiledCalculator(compiled), steps=3)
        assert self.frames() == before
        assert vars(compiled.model.model)["_compiled_call_impl"] is entry
        assert integration.describe(compiled)["compiled"] is True

    def test_it_traces_as_often_as_the_bare_one(self, compiled):
        simulated(ProfiledCalculator(compiled), steps=3)
        wrapped = self.frames()
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        bare = OrbCalculator(built(), device="cpu")
        bare.model.model.compile(backend="eager", dynamic=True)
        simulated(bare, steps=3)
        assert wrapped == self.frames()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch.compile looks at it
@pytest.mark.parametrize("kind", [CONSERVATIVE, DIRECT])
def test_a_model_compiled_as_orb_models_does_computes_and_traces_as_the_bare_one(kind, dynamo):
    def compiled():
        calc = OrbCalculator(built(layers=1, kind=kind), device="cpu")
        calc.model.compile(backend="eager", dynamic=True)
        return calc

    simulated(OrbCalculator(built(layers=1, kind=kind), device="cpu"), steps=4)
    bare = simulated(compiled(), steps=3)
    expected = dynamo()
    profiled = simulated(ProfiledCalculator(compiled()), steps=3)
    assert dynamo() == expected
    assert np.array_equal(profiled.get_forces(), bare.get_forces())
    is_compiled = integration.describe(profiled.calc)["compiled"]
    assert is_compiled is (expected["frames"].get("total", 0) > 0)
    for row in rows_of(profiled.calc):
        parts = row["components"]
        assert ("message passing" in parts) is not is_compiled
        assert bool({"backbone (compiled)", "model (compiled)"} & set(parts)) is is_compiled


@pytest.mark.parametrize("spec", ["orb-v2:random", "orb-v3-conservative:random", "orb-v3-direct:random"])
def test_a_spec_builds_a_model_with_random_weights(spec):
    calc = integration.build(spec)
    assert integration.describe(calc)["name"].lower().startswith(spec.split(":")[0])
    assert np.isfinite(calc.get_potential_energy(silicon()))


def test_a_spec_of_another_library_is_left_alone():
    assert integration.build("emt") is None
