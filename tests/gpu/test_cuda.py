"""Tests that need a CUDA device: times in its stream, memory, and no added wait."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, Trace, recording

torch = pytest.importorskip("torch", reason="torch is not installed")
if not torch.cuda.is_available():
    pytest.skip("no CUDA device", allow_module_level=True)


class Heavy(Calculator):
    """Two layers, the second a hundred times the first."""

    implemented_properties = ("energy",)

    def __init__(self, device):
        super().__init__()
        self.net = torch.nn.Sequential()
        self.net.add_module("light", torch.nn.Linear(1024, 1024))
        self.net.add_module("heavy", torch.nn.Sequential(*(torch.nn.Linear(1024, 1024) for _ in range(100))))
        self.net.to(device)
        self.device = device

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Run the layers; the only wait for the device is the last one."""
        super().calculate(atoms, properties, system_changes)
        with torch.no_grad():
            x = torch.ones(4096, 1024, device=self.device) * float(np.sum(atoms.positions))
            self.results = {"energy": float(self.net(x).sum())}


@pytest.fixture(params=["cuda", "cuda:0", 0])
def rows(request):
    calc = ProfiledCalculator(Heavy(request.param))
    for step in range(30):
        calc.calculate(Atoms("Ar", positions=[(step, 0, 0)]), ["energy"], ["positions"])
    recording(calc).close()
    return read_records().calls


def test_device_times_distinguish_the_parts_where_host_times_cannot(rows):
    busy = [row["device_ns"] for row in rows[10:] if "device_ns" in row]
    assert busy
    assert all(each["heavy"] > 20 * each["light"] for each in busy)


def test_times_in_the_stream_fit_into_the_call(rows):
    for row in rows[10:]:
        if "device_ns" in row:
            assert sum(row["device_ns"].values()) <= row["wall_ns"]


def test_device_memory_is_sampled(rows):
    sampled = [row for row in rows if "device_allocated_bytes" in row]
    assert sampled
    for row in sampled:
        assert 0 < row["device_allocated_bytes"] <= row["device_reserved_bytes"]
        assert row["device_free_bytes"] > 0


class TinyLayers(Heavy):
    """Layers so small that the device mostly waits for the next launch."""

    def __init__(self):
        super().__init__("cuda")
        self.net = torch.nn.Sequential(*(torch.nn.Linear(8, 8) for _ in range(200))).to("cuda")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        Calculator.calculate(self, atoms, properties, system_changes)
        with torch.no_grad():
            x = torch.ones(4, 8, device="cuda") * float(np.sum(atoms.positions))
            self.results = {"energy": self.net(x).sum().item()}


def calculate(calc, number):
    for step in range(number):
        calc.calculate(Atoms("Ar", positions=[(step, 0, 0)]), ["energy"], ["positions"])


def waits_of(calc):
    """Return how often a call made the host wait for the device, by torch's own profiler."""
    with torch.profiler.profile() as profiler:
        calculate(calc, 11)
    return {each.key: each.count for each in profiler.key_averages() if "Synchronize" in each.key}


@pytest.mark.filterwarnings("ignore:Warning. Profiler clears events")
def test_recording_adds_no_wait_for_the_device():
    bare = TinyLayers()
    calculate(bare, 5)
    expected = waits_of(bare)
    calc = ProfiledCalculator(bare, summary=False, trace="off")
    calculate(calc, 5)
    assert waits_of(calc) == expected
    recording(calc).close()
    assert expected["cudaStreamSynchronize"] >= 11


def test_a_traced_call_shows_that_the_device_waits_for_launches():
    calc = ProfiledCalculator(TinyLayers(), summary=False, trace=Trace(every_calls=30, chrome=False))
    calculate(calc, 65)
    recording(calc).close()
    windows = read_records().of("trace")
    assert windows
    for window in windows:
        assert window["launches"] >= 200
        assert window["device_busy_ns"] < 0.5 * window["wall_ns"]
