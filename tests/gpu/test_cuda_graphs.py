"""CUDA graphs that a calculator captures and replays: the recorder stays out of the capture."""

import gc

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.md.verlet import VelocityVerlet
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording

torch = pytest.importorskip("torch", reason="torch is not installed")
if not torch.cuda.is_available():
    pytest.skip("no CUDA device", allow_module_level=True)


class Replaying(Calculator):
    """Captures its model and the backward pass, and replays them.

    Args:
        every: Calls after which it captures anew; 0 for once, in the first call.
    """

    implemented_properties = ("energy", "forces")

    def __init__(self, every=0):
        super().__init__()
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(torch.nn.Linear(3, 64), torch.nn.SiLU(), torch.nn.Linear(64, 1))
        self.model.to("cuda").requires_grad_(requires_grad=False)
        self.graph = None
        self.every = every
        self.calls = 0

    def forward(self):
        energy = self.model(self.positions).sum()
        (gradient,) = torch.autograd.grad(energy, self.positions)
        return energy.detach(), gradient

    def capture(self, number):
        self.positions = torch.zeros(number, 3, device="cuda", requires_grad=True)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self.forward()
        torch.cuda.current_stream().wait_stream(side)
        gc.collect()  # a graph that is collected during a capture ends it
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.energy, self.gradient = self.forward()

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if self.graph is None or (self.every and self.calls % self.every == 0):
            self.capture(len(atoms))
        self.calls += 1
        with torch.no_grad():
            self.positions.copy_(torch.as_tensor(atoms.positions, dtype=torch.float32))
        self.graph.replay()
        forces = -self.gradient.double().cpu().numpy()
        self.results = {"energy": self.energy.item(), "forces": forces}


def trajectory(calculator):
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.05, seed=1)
    atoms.calc = calculator
    seen = []
    dynamics = VelocityVerlet(atoms, 0.1)
    dynamics.attach(lambda: seen.append(atoms.get_forces().copy()))
    dynamics.run(30)
    return np.array(seen)


@pytest.mark.parametrize("every", [0, 7])
def test_a_capture_in_a_recorded_call_succeeds_with_the_same_forces(every):
    wrapped = ProfiledCalculator(Replaying(every), summary=False)
    recorded = trajectory(wrapped)
    recording(wrapped).close()
    assert np.array_equal(recorded, trajectory(Replaying(every)))
    assert [row for row in read_records().calls if "failure" in row] == []


def test_a_model_that_is_replayed_states_why_it_has_no_parts():
    wrapped = ProfiledCalculator(Replaying(), summary=False)
    trajectory(wrapped)
    recording(wrapped).close()
    records = read_records()
    assert "graph is replayed as a CUDA graph" in records.of("lane")[-1]["parts_absent"]
    assert "components" not in records.calls[-1]
