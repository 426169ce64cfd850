"""Calculators with torch models: parts, backward pass and compiled code, bit-equal to the bare calculator."""

import copy
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.mixing import SumCalculator
from tests.support import read_records

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.capture.calls.first_calls import FIRST_CALLS
from instrumented_calc.capture.parts.compiled_code import REASON
from instrumented_calc.capture.parts.components import Components
from instrumented_calc.capture.parts.stand_ins import StandIn
from instrumented_calc.integration import Part

torch = pytest.importorskip("torch")
# torch.compile reads the gradients of tensors that have none.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
nn = torch.nn
WIDTH = 300
CALLS = FIRST_CALLS + 2


@pytest.fixture(autouse=True)
def nothing_compiled():
    """Forget all compiled code after the test: while there is any, modules are left alone."""
    yield
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()


class Block(nn.Module):
    """A residual block."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(WIDTH, WIDTH)
        self.gate = nn.SiLU()

    def forward(self, x):
        """Mix and add."""
        return x + self.gate(self.mix(x))


class Energy(nn.Module):
    """A small model with repeated blocks in a list."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.embedding = nn.Linear(3, WIDTH)
        self.interactions = nn.ModuleList([Block() for _ in range(3)])
        self.readout = nn.Linear(WIDTH, 1)
        self.unused = nn.Linear(1, 1)

    def forward(self, x):
        """Return the energy."""
        x = self.embedding(x)
        for block in self.interactions:
            x = block(x)
        return self.readout(x).sum()


class Potential(Calculator):
    """A calculator that holds its model in a list; forces by a backward pass."""

    implemented_properties = ("energy", "forces")

    def __init__(self, prepare=lambda model: model, gradient=None):
        super().__init__()
        self.models = [prepare(Energy())]
        self.gradient = gradient or (lambda energy, x: torch.autograd.grad(energy, x)[0])

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Run the model and its backward pass."""
        super().calculate(atoms, properties, system_changes)
        x = torch.tensor(atoms.positions, dtype=torch.float32, requires_grad=True)
        energy = self.models[0](x)
        forces = -self.gradient(energy, x)
        self.results = {"energy": float(energy.detach()), "forces": forces.numpy().astype(float)}


def run(calc, n_calls=CALLS):
    """Return the forces of several calls."""
    atoms = Atoms("Ar8", positions=np.arange(24.0).reshape(8, 3))
    found = []
    for _ in range(n_calls):
        atoms.positions[0, 0] += 0.25
        found.append(calc.get_forces(atoms).copy())
    return np.array(found)


def rows_of(calc):
    recording(calc).close()
    return read_records().calls


def test_the_parts_of_a_model_in_a_list_with_repeated_blocks_and_the_backward_pass():
    bare = Potential()
    calc = ProfiledCalculator(copy.deepcopy(bare))
    assert np.array_equal(run(calc), run(bare))
    rows = rows_of(calc)
    assert {"interactions x3", "backward"} <= set(rows[-1]["components"])
    for row in rows:
        assert "backward" in row["components"]
        assert sum(row["components"].values()) <= row["wall_ns"]
    (*_, lane) = read_records().of("lane")
    assert lane["groups"]["interactions x3"] == "model"
    assert lane["groups"]["backward"] == "forces"


def test_after_the_first_calls_only_the_chosen_modules_are_touched():
    calc = Potential()
    wrapped = ProfiledCalculator(calc)
    run(wrapped, FIRST_CALLS)
    seen = []
    model = calc.models[0]
    model.register_forward_hook(
        lambda *_: seen.append([name for name, each in model.named_modules() if "forward" in vars(each)])
    )
    run(wrapped, 1)
    assert "interactions.0" in seen[0]
    assert "unused" not in seen[0]
    assert not any("forward" in vars(each) for each in model.modules())


class Nothing(Calculator):
    """Takes next to no time."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        """Return zeros."""
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}


def test_a_model_that_is_a_term_of_a_sum():
    def potential():
        return SumCalculator([Potential(), Nothing()])

    calc = ProfiledCalculator(potential())
    assert np.array_equal(run(calc), run(potential()))
    rows = rows_of(calc)
    for row in rows:
        assert {"Potential", "Potential / backward", "Nothing"} <= set(row["components"])
        assert sum(row["components"].values()) <= row["wall_ns"]
        assert not any(name.startswith("mixer") for name in row["components"])
    assert "Potential / interactions x3" in rows[-1]["components"]
    (*_, lane) = read_records().of("lane")
    assert lane["groups"]["Potential / backward"] == "forces"
    assert lane["groups"]["Potential / interactions x3"] == "model"


def gradient_by_backward(energy, x):
    energy.backward()
    return x.grad


@pytest.mark.parametrize(
    "gradient", [None, gradient_by_backward], ids=["torch.autograd.grad", "Tensor.backward"]
)
def test_the_backward_pass_is_timed_however_it_is_called(gradient):
    rows = rows_of_run(Potential(gradient=gradient))
    assert all(row["components"]["backward"] > 0 for row in rows)


def test_that_of_functional_gradients_too():
    class Functional(Potential):
        def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
            Calculator.calculate(self, atoms, properties, system_changes)
            x = torch.tensor(atoms.positions, dtype=torch.float32)
            self.results = {"energy": 0.0, "forces": -torch.func.grad(self.models[0])(x).detach().numpy()}

    rows = rows_of_run(Functional())
    assert all(row["components"]["backward"] > 0 for row in rows)


def rows_of_run(bare):
    calc = ProfiledCalculator(bare)
    run(calc)
    return rows_of(calc)


def test_outside_recorded_calls_the_backward_pass_is_not_counted():
    calc = ProfiledCalculator(Potential())
    run(calc, 1)
    run(Potential(), 3)
    assert len(rows_of(calc)) == 1
    assert not isinstance(torch.autograd._engine_run_backward, StandIn)


def test_parts_inside_a_model_that_the_first_call_builds():
    class Late(Potential):
        def __init__(self):
            Calculator.__init__(self)
            self.gradient = lambda energy, x: torch.autograd.grad(energy, x)[0]

        def calculate(self, *args, **kwargs):
            if not hasattr(self, "models"):
                self.models = [Energy()]
            super().calculate(*args, **kwargs)

    rows = rows_of_run(Late())
    assert "interactions x3" not in rows[0]["components"]
    assert all("interactions x3" in row["components"] for row in rows[1:])


def compiled_in_place(model):
    model.compile(backend="eager")
    return model


def compiled_child(model):
    model.interactions[1].compile(backend="eager")
    return model


def compiled_module(model):
    return torch.compile(model, backend="eager")


def compiled_closure(model):
    return torch.compile(lambda x: model(x), backend="eager")  # noqa: PLW0108 - the closure is the point


def hidden_closure(model):
    run = compiled_closure(model)

    class Hiding:
        def __init__(self):
            self.model = model

        def __call__(self, x):
            return run(x)

    return Hiding()


def with_break(model):
    def broken(x):
        y = model(x)
        torch._dynamo.graph_break()
        return y * 1.0

    return torch.compile(broken, backend="eager")


COMPILED = [compiled_in_place, compiled_child, compiled_module, compiled_closure, hidden_closure, with_break]


def counted(calc):
    """Return the forces of a run and what torch.compile did for it."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    forces = run(calc)
    counters = torch._dynamo.utils.counters
    return forces, {name: dict(counters[name]) for name in ("stats", "frames", "graph_break", "recompiles")}


@pytest.mark.parametrize("prepare", COMPILED)
def test_torch_compile_does_the_same_with_and_without_recording(prepare):
    forces, work = counted(Potential(prepare))
    wrapped = ProfiledCalculator(Potential(prepare))
    recorded_forces, recorded_work = counted(wrapped)
    assert np.array_equal(recorded_forces, forces)
    assert recorded_work == work
    assert work["stats"]["unique_graphs"] > 0
    rows = rows_of(wrapped)
    assert all("backward" in row["components"] for row in rows)
    (*_, lane) = read_records().of("lane")
    assert any("torch.compile" in reason for reason in lane["parts_absent"])
    assert "interactions x3" not in rows[-1]["components"]


@pytest.mark.parametrize("prepare", [compiled_in_place, hidden_closure])
def test_code_that_was_compiled_before_is_not_compiled_again(prepare):
    bare = Potential(prepare)
    _, work = counted(bare)
    wrapped = ProfiledCalculator(bare)
    run(wrapped)
    counters = torch._dynamo.utils.counters
    assert {name: dict(counters[name]) for name in work} == work
    assert "interactions x3" not in rows_of(wrapped)[-1]["components"]


def test_a_model_that_is_compiled_in_a_later_call_gives_way():
    class Compiling(Potential):
        def calculate(self, *args, **kwargs):
            self.n_calls = getattr(self, "n_calls", 0) + 1
            if self.n_calls == CALLS - 1:
                self.models = [torch.compile(self.models[0], backend="eager")]
            super().calculate(*args, **kwargs)

    forces, work = counted(Compiling())
    wrapped = ProfiledCalculator(Compiling())
    recorded_forces, recorded_work = counted(wrapped)
    assert np.array_equal(recorded_forces, forces)
    assert recorded_work == work
    rows = rows_of(wrapped)
    assert "interactions x3" in rows[0]["components"]
    assert "interactions x3" not in rows[-1]["components"]


def test_parts_that_were_removed_in_the_middle_of_a_call_have_no_times_in_it():
    class Compiling(Potential):
        def calculate(self, *args, **kwargs):
            self.n_calls = getattr(self, "n_calls", 0) + 1
            if self.n_calls == CALLS:
                Calculator.calculate(self, *args, **kwargs)
                self.models[0](torch.ones(1, 3))
                torch.compile(torch.sin, backend="eager")(torch.ones(1))
            super().calculate(*args, **kwargs)

    rows = rows_of_run(Compiling())
    assert "interactions x3" in rows[-2]["components"]
    assert set(rows[-1]["components"]) == {"backward"}


def test_with_a_torch_compile_that_does_not_tell_when_it_starts_modules_are_left_alone(monkeypatch):
    torch.compile(torch.sin, backend="eager")  # loads it
    monkeypatch.delattr("torch._dynamo.callback.callback_handler")
    rows = rows_of_run(Potential())
    assert all(set(row["components"]) == {"backward"} for row in rows)
    (*_, lane) = read_records().of("lane")
    assert lane["parts_absent"] == [REASON]


def watchers():
    callbacks = getattr(sys.modules.get("torch._dynamo.callback"), "callback_handler", None)
    return [*sys.meta_path, *getattr(callbacks, "start_callbacks", ())]


def test_stand_ins_that_cannot_be_placed_leave_nothing():
    module, holder = Block(), SimpleNamespace(lost=print)
    faults = []
    components = Components(
        [Part("block", module, "forward"), Part("lost", holder, "lost")],
        on_fault=lambda *fault: faults.append(fault),
    )
    del holder.lost
    before = watchers()
    assert components.put() is None
    assert watchers() == before
    assert "forward" not in vars(module)
    assert len(faults) == 1


def test_a_backward_pass_inside_compiled_code_changes_nothing():
    def potential():
        model = Energy()

        def both(x):
            energy = model(x)
            return energy, torch.autograd.grad(energy, x)[0]

        calc = Potential()
        calc.models = [None]
        both = torch.compile(both, backend="eager")

        class Both(Potential):
            def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
                Calculator.calculate(self, atoms, properties, system_changes)
                x = torch.tensor(atoms.positions, dtype=torch.float32, requires_grad=True)
                energy, gradient = both(x)
                self.results = {"energy": float(energy.detach()), "forces": -gradient.numpy()}

        return Both()

    forces, work = counted(potential())
    recorded_forces, recorded_work = counted(ProfiledCalculator(potential()))
    assert np.array_equal(recorded_forces, forces)
    assert recorded_work == work


COMPILING_IN_THE_FIRST_CALL = """
import sys
import warnings

import numpy as np
import torch

from tests.capture.parts.test_torch_models import Potential, run

warnings.simplefilter("ignore")
assert "torch._dynamo" not in sys.modules


class Compiling(Potential):
    def calculate(self, *args, **kwargs):
        if not hasattr(self, "raw"):
            self.raw = self.models[0]
            self.models = [torch.compile(self.raw, backend="eager")]
        super().calculate(*args, **kwargs)


calc = Compiling()
if sys.argv[1] == "recorded":
    from instrumented_calc import ProfiledCalculator

    calc = ProfiledCalculator(calc)
forces = run(calc)
counters = torch._dynamo.utils.counters
print({name: dict(counters[name]) for name in ("stats", "frames", "graph_break", "recompiles")})
print(forces.tobytes().hex())
"""


@pytest.mark.slow  # two processes that load torch.compile
def test_compilation_in_a_call_that_loads_torch_compile_first():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    bare, recorded = (
        subprocess.run(
            [sys.executable, "-c", COMPILING_IN_THE_FIRST_CALL, kind],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        ).stdout
        for kind in ("bare", "recorded")
    )
    assert "unique_graphs" in bare
    assert recorded == bare


@pytest.mark.slow  # compiles C++
def test_so_does_a_model_compiled_by_inductor():
    def prepare(model):
        return torch.compile(model)

    forces, work = counted(Potential(prepare))
    recorded_forces, recorded_work = counted(ProfiledCalculator(Potential(prepare)))
    assert np.array_equal(recorded_forces, forces)
    assert recorded_work == work


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")  # deprecated, but models still use it
def test_a_scripted_model_gives_the_same_forces_as_one_part():
    run(Potential(torch.jit.script))  # the first in a process gives other last digits
    bare, recorded = Potential(torch.jit.script), ProfiledCalculator(Potential(torch.jit.script))
    assert np.array_equal(run(recorded), run(bare))
    for row in rows_of(recorded):
        assert set(row["components"]) == {"models.0", "backward"}
