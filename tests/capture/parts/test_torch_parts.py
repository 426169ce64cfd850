"""Calculators with a torch module and no integration, and the times of a device."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.probes.torch_device import DeviceTimes, device_times


class TestModules:
    """Direct children of a held module are the parts."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch")

    def calculator(self, torch):
        class Perceptron(Calculator):
            implemented_properties = ("energy",)

            def __init__(self):
                super().__init__()
                self.net = torch.nn.Sequential()
                self.net.add_module("hidden", torch.nn.Linear(3, 300))
                self.net.add_module("readout", torch.nn.Linear(300, 1))

            def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
                super().calculate(atoms, properties, system_changes)
                x = torch.as_tensor(np.array(atoms.positions), dtype=torch.float32)
                self.results = {"energy": float(self.net(x).sum().detach())}

        return Perceptron()

    def rows(self, calc):
        calc.get_potential_energy(Atoms("Ar2", positions=[(0, 0, 0), (3, 0, 0)]))
        recording(calc).close()
        return read_records().calls

    def test_each_child_is_timed(self, torch):
        (row,) = self.rows(ProfiledCalculator(self.calculator(torch)))
        assert {"hidden", "readout"} <= set(row["components"])

    def test_a_compiled_module_is_one_part(self, torch):
        bare = self.calculator(torch)
        bare.net.compile(backend="eager")
        (row,) = self.rows(ProfiledCalculator(bare))
        assert "net" in row["components"]
        assert "hidden" not in row["components"]
        torch._dynamo.reset()

    def test_the_lane_describes_the_module(self, torch):
        self.rows(ProfiledCalculator(self.calculator(torch)))
        (lane,) = read_records().of("lane")
        assert lane["model"] == {
            "name": "Perceptron (Sequential)",
            "architecture": "Sequential",
            "parameters": 1501,
            "dtype": "float32",
            "device": "cpu",
            "compiled": False,
        }


class Event:
    """An event of a device whose clock the test sets."""

    def __init__(self, device):
        self.device = device

    def query(self):
        return self.device.done

    def elapsed_time(self, later):
        return later.at - self.at


class Device:
    """A device with a clock in ms."""

    def __init__(self):
        self.now = 0.0
        self.done = True
        self.made = 0

    def event(self):
        self.made += 1
        return Event(self)

    def record(self, event):
        event.at = self.now
        return True


class TestDeviceTimes:
    """Busy times come from pairs of events, exclusive, or not at all."""

    @pytest.fixture
    def device(self):
        return Device()

    @pytest.fixture
    def times(self, device):
        return DeviceTimes(device.event, device.record)

    def nested(self, device, times):
        times.enter("model")
        device.now += 2
        times.enter("head")
        device.now += 0.5
        times.leave()
        device.now += 1
        times.leave()

    def test_they_are_exclusive(self, device, times):
        self.nested(device, times)
        assert times.read() == {"model": 3_000_000, "head": 500_000}

    def test_several_parts_of_one_name_are_summed(self, device, times):
        self.nested(device, times)
        self.nested(device, times)
        assert times.read() == {"model": 6_000_000, "head": 1_000_000}

    def test_a_device_that_is_not_done_gives_nothing_rather_than_waiting(self, device, times):
        self.nested(device, times)
        device.done = False
        assert times.read() == {}

    def test_events_are_used_again(self, device, times):
        for _ in range(5):
            self.nested(device, times)
            times.read()
        assert device.made == 4

    def test_a_stream_that_is_being_captured_is_left_alone(self, device):
        times = DeviceTimes(device.event, lambda _: False)
        assert not times.enter("model")
        assert times.read() == {}

    def test_a_part_in_which_a_capture_began_has_no_times(self, device):
        can_record = iter([True, False])
        times = DeviceTimes(device.event, lambda event: next(can_record, True) and device.record(event))
        assert times.enter("model")
        times.leave()
        assert times.read() == {}
        self.nested(device, times)
        assert times.read() == {"model": 3_000_000, "head": 500_000}

    def test_one_call_in_eleven_is_timed(self, times):
        assert [call for call in range(30) if times.is_due()] == [0, 11, 22]

    @pytest.mark.parametrize("name", ["cpu", "", "cuda", "cuda:0", "xpu"])
    def test_without_such_a_device_in_use_there_is_nothing_to_time(self, name):
        assert device_times(name) is None
