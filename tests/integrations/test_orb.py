"""Orb: the real orb-models and its real architectures, with random weights."""

import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    # orb-models uses TorchScript as it is imported, which torch calls deprecated.
    warnings.simplefilter("ignore", FutureWarning)
    pretrained = pytest.importorskip("orb_models.forcefield.pretrained")

from tests.integrations.orb_models_built import built  # noqa: E402 - after the possible skip

from instrumented_calc import ProfiledCalculator, recording  # noqa: E402 - after importorskip
from instrumented_calc.errors import ModelError  # noqa: E402 - after importorskip
from instrumented_calc_orb import OrbCalculator, integration, random_weights  # noqa: E402 - after importorskip

VERSION = f"orb-models {metadata.version('orb-models')}"
pytestmark = [
    # Warnings of orb-models itself: its loader reports progress, and it passes tensors to numpy functions.
    pytest.mark.filterwarnings("ignore:Setting global torch default dtype:UserWarning"),
    pytest.mark.filterwarnings("ignore:Consider passing 'precision=float32-high':UserWarning"),
    pytest.mark.filterwarnings("ignore:Found key in model, missing in state_dict:UserWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def torch_defaults():
    """orb-models' loaders set torch's defaults for the whole process."""
    dtype, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    yield
    torch.set_default_dtype(dtype)
    torch.set_float32_matmul_precision(precision)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """Random weights of the whole Orb-v2, 101 MB."""
    return random_weights(tmp_path_factory.mktemp("orb") / "orb_v2.ckpt")


@pytest.fixture
def silicon():
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.05, seed=1)
    return atoms


def test_weights_that_went_through_the_loader_give_the_model_bit_for_bit(weights, silicon):
    silicon.calc = OrbCalculator(built(layers=15), device="cpu")
    energy, forces = silicon.get_potential_energy(), silicon.get_forces()
    silicon.calc = OrbCalculator("orb-v2", weights_path=weights, compile=False, device="cpu")
    assert silicon.get_potential_energy() == energy
    assert np.array_equal(silicon.get_forces(), forces)
    assert np.abs(forces).max() > 0


def test_a_loaded_orb_v2_is_described(weights):
    calc = OrbCalculator("orb_v2", weights_path=weights, compile=False, device="cpu")
    assert integration.knows(calc)
    assert integration.describe(calc) == {
        "name": "Orb-v2",
        "parameters": 25_213_601,
        "dtype": "float32",
        "device": "cpu",
        "compiled": False,
        "precision": "float32-high",
        "conservative": False,
        "message_passing_steps": 15,
        "library": VERSION,
    }


def test_a_compiled_backbone_is_seen_though_the_model_around_it_is_not_compiled():
    calc = OrbCalculator(built(), device="cpu")
    assert integration.describe(calc)["compiled"] is False
    calc.model.model.compile(backend="eager")
    assert integration.describe(calc)["compiled"] is True


def test_the_compile_option_reaches_orb_models_loader(weights):
    # torch.compile only compiles at the first call, which is not made here.
    calc = OrbCalculator("orb-v2", weights_path=weights, compile=True, device="cpu")
    compiled = [vars(each).get("_compiled_call_impl") is not None for each in (calc.model, calc.model.model)]
    assert any(compiled)
    # orb-models 0.7 compiles the whole model instead of its backbone; of a direct one, only that is called.
    assert integration.describe(calc)["compiled"] is compiled[1]


def test_the_precision_option_reaches_orb_models_loader(weights):
    calc = OrbCalculator(weights_path=weights, compile=False, device="cpu", precision="float64")
    assert integration.describe(calc)["dtype"] == "float64"
    assert integration.describe(calc)["precision"] == "float64"


def test_a_model_of_unknown_origin_is_named_by_its_architecture():
    conservative = pretrained.orb_v3_conservative_architecture(
        latent_dim=16, base_mlp_hidden_dim=16, num_message_passing_steps=2, device="cpu"
    )
    direct = pretrained.orb_v3_direct_architecture(
        latent_dim=16, base_mlp_hidden_dim=16, num_message_passing_steps=2, device="cpu"
    )

    class Calc:
        def __init__(self, model):
            self.model = model

    described = [integration.describe(Calc(model)) for model in (conservative, direct)]
    assert [model["name"] for model in described] == [
        "Orb-v3-conservative",
        "Orb-v3-direct",
    ]
    assert [model["conservative"] for model in described] == [True, False]
    assert integration.describe(OrbCalculator(built(), device="cpu"))["name"] == "Orb-v2"


def test_calculator_options_reach_the_calculator():
    assert OrbCalculator(built(), device="cpu", max_num_neighbors=7).max_num_neighbors == 7


def test_other_calculators_are_not_known():
    assert not integration.knows(EMT())


def test_a_profiled_orb_computes_and_is_recorded_as_the_bare_one(silicon, tmp_path):
    calc = OrbCalculator(built(), device="cpu")
    silicon.calc = calc
    forces = silicon.get_forces()
    calc.reset()
    silicon.calc = ProfiledCalculator(calc, journal=tmp_path / "run.jsonl")
    assert np.array_equal(silicon.get_forces(), forces)
    assert recording(silicon.calc).calls == 1
    assert integration.describe(silicon.calc) == integration.describe(calc)
    recording(silicon.calc).close()


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("orb-v4", {}, "orb-models has no model 'orb-v4': try .*orb-v2"),
        ("orb-v3-conservative", {}, "try .*orb-v3-conservative-"),
        ("orb-v1", {}, "orb-models has no model 'orb-v1': try orb-v2"),
        ("orb-v2", {"precision": "float16"}, "precision='float16': use one of float32-high, "),
        ("orb-v2", {"weights_path": "gone.ckpt"}, "no weights at gone.ckpt .*: give weights_path="),
        (42, {}, "model= takes a name or a loaded Orb model, not int"),
    ],
)
def test_a_failed_build_is_explained_in_one_line(model, options, message):
    with pytest.raises(ModelError, match=message) as caught:
        OrbCalculator(model, device="cpu", compile=False, **options)
    assert "\n" not in str(caught.value)


def test_weights_that_cannot_be_downloaded_are_named_with_the_cure(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # A refused connection would do as well, but is tried again for half a minute.
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}/orb.ckpt"
        with pytest.raises(ModelError, match=f"no weights at {url} .*: give weights_path="):
            OrbCalculator("orb-v2", weights_path=url, device="cpu")
        server.shutdown()


@pytest.mark.parametrize("contents", [b"", b"hello", "other weights"])
def test_a_file_without_the_models_weights_is_refused_by_name(contents, tmp_path):
    path = tmp_path / "weights.ckpt"
    if isinstance(contents, bytes):
        path.write_bytes(contents)
    else:
        torch.save({"elsewhere": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match=f"orb-v2 cannot be built with .*{path}") as caught:
        OrbCalculator("orb-v2", weights_path=path, device="cpu", compile=False)
    assert "\n" not in str(caught.value)


def test_options_of_the_loader_are_refused_beside_a_loaded_model():
    with pytest.raises(ModelError, match="compile, precision: already fixed in a loaded model"):
        OrbCalculator(built(), precision="float64", compile=False)


def test_a_loaded_model_is_taken_as_its_loader_returned_it():
    parts = built()
    calc = OrbCalculator(parts, device="cpu")
    assert integration.knows(calc)
    if isinstance(parts, tuple):  # from orb-models 0.6 on, a model and its adapter
        model, adapter = parts
        assert calc.model is OrbCalculator(model, atoms_adapter=adapter, device="cpu").model
        with pytest.raises(ModelError, match="atoms adapter: pass model= the pair"):
            OrbCalculator(model, device="cpu")
    else:
        assert calc.model is parts


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without GPU")
@pytest.mark.parametrize("device", ["cuda:0", torch.device("cuda", 0)])
def test_a_missing_gpu_is_reported_with_its_cure(device):
    with pytest.raises(ModelError, match=r"device='cuda:0': .* use device='cpu'"):
        OrbCalculator("orb-v2", device=device)


@pytest.mark.parametrize("device", ["gpu", ["cpu"]])
def test_a_device_that_torch_does_not_know_is_reported_in_one_line(device):
    with pytest.raises(ModelError, match=r"torch has no such device .*: use 'cpu' or 'cuda'") as caught:
        OrbCalculator("orb-v2", device=device)
    assert "\n" not in str(caught.value)


def test_a_device_may_be_torchs_own_object(silicon):
    forces = []
    for device in ("cpu", torch.device("cpu")):
        silicon.calc = ProfiledCalculator(OrbCalculator(built(), device=device), summary=False)
        forces.append(silicon.get_forces())
        assert integration.describe(silicon.calc)["device"] == "cpu"
    assert np.array_equal(*forces)


def test_random_weights_depend_on_the_seed_and_leave_torchs_own_numbers_alone(weights, tmp_path):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    other = random_weights(tmp_path / "other.ckpt", seed=1)
    assert torch.equal(torch.rand(4), expected)
    first, second = (torch.load(path, weights_only=True) for path in (weights, other))
    assert first.keys() == second.keys()
    name = "model.gnn_stacks.0._edge_mlp.mlp.NN-0.weight"
    assert not torch.equal(first[name], second[name])
