"""Remedies of torch's settings, on real models."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from instrumented_calc.experiments.trial.remedies import device
from instrumented_calc.experiments.trial.remedies.torch_settings import to_single

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def torch_defaults():
    dtype = torch.get_default_dtype()
    yield
    torch.set_default_dtype(dtype)


def test_single_precision_reaches_models_tensors_and_noted_dtypes():
    double = torch.float64
    calc = SimpleNamespace(
        model=torch.nn.Linear(3, 3, dtype=double),
        dtype=double,
        tables={"radial": torch.ones(2, dtype=double), "number": torch.ones(2, dtype=torch.int64)},
        name="potential",
    )
    to_single(calc)
    assert calc.model.weight.dtype is calc.dtype is torch.float32
    assert [each.dtype for each in calc.tables.values()] == [torch.float32, torch.int64]
    assert calc.name == "potential"
    assert torch.get_default_dtype() is torch.float32


class Noting(torch.nn.Module):
    """A model that keeps the device that it was made for."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 3)
        self.made_for = torch.device("cpu")


def test_models_tensors_and_noted_devices_move_to_the_gpu(monkeypatch):
    monkeypatch.setattr(device, "GPU", "meta")  # a device that every machine has
    model = Noting()
    calc = SimpleNamespace(
        model=model,
        device="cpu",
        tables=[torch.ones(2)],
        options={"device": torch.device("cpu")},
        name="potential",
    )
    device.to_gpu(calc)
    assert calc.model is model
    devices = [model.layer.weight.device, model.made_for, calc.tables[0].device, calc.options["device"]]
    assert {each.type for each in devices} == {"meta"}
    assert (calc.device, calc.name) == ("meta", "potential")
