"""torch.compile switched on and off, on real models."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import pytest

from instrumented_calc.experiments.trial.processes import Processes
from instrumented_calc.experiments.trial.remedies import compilation
from instrumented_calc.experiments.trial.remedies.catalogue import remedies_for
from instrumented_calc.experiments.trial.remedies.compilation import compile_models, not_compiled
from instrumented_calc.experiments.trial.task import TriedProgram, write_facts
from instrumented_calc.integration import RunFacts

torch = pytest.importorskip("torch")

FACTS = RunFacts(modules=frozenset({"torch"}), torch_model="Network", dtype="float64", device="cpu")


class Counted:
    """A backend of torch.compile that runs the code as it is, and counts what it was given."""

    def __init__(self):
        self.compiled = 0

    def __call__(self, graph, _):
        self.compiled += 1
        return graph.forward


def compiled_in_place(model, backend):
    model.compile(backend=backend)
    return model


def compiled_part(model, backend):
    return torch.nn.Sequential(torch.compile(model, backend=backend), torch.nn.ReLU())


def compiled_copy(model, backend):
    return torch.compile(model, backend=backend)


@pytest.mark.parametrize("how", [compiled_in_place, compiled_part, compiled_copy])
@pytest.mark.parametrize("off", [False, True])
def test_a_compiled_model_runs_as_it_was_written(how, off):
    torch.compiler.reset()
    backend = Counted()
    calc = SimpleNamespace(model=how(torch.nn.Linear(3, 3), backend), cutoff=5.0)
    if off:
        not_compiled(calc)
    calc.model(torch.ones(3))
    assert backend.compiled == (0 if off else 1)
    assert calc.cutoff == 5.0


@pytest.mark.parametrize("hold", [lambda model: model, lambda model: [model], lambda model: {"one": model}])
def test_a_model_is_compiled_where_the_calculator_holds_it(hold):
    torch.compiler.reset()
    backend, model = Counted(), torch.nn.Linear(3, 3)
    given = torch.ones(3)
    expected = model(given)
    calc = SimpleNamespace(models=hold(model), cutoff=5.0)
    compile_models(calc, backend=backend)
    assert torch.equal(model(given), expected)
    assert backend.compiled == 1
    not_compiled(SimpleNamespace(model=model))
    assert torch.equal(model(given), expected)
    assert backend.compiled == 1


@pytest.mark.filterwarnings("ignore:.*torch.jit")  # deprecated, and still in use
def test_a_model_out_of_reach_is_an_error_and_not_measured_as_it_is():
    hidden = SimpleNamespace(potential=SimpleNamespace(model=torch.nn.Linear(3, 3)))
    scripted = SimpleNamespace(model=torch.jit.trace(torch.nn.Linear(3, 3), torch.ones(3)))
    for calc in (hidden, scripted):
        with pytest.raises(TypeError, match="cannot be compiled from outside"):
            compile_models(calc, backend=Counted())


def compiling(facts: RunFacts) -> dict[str, str]:
    """Return the remedies that change compilation, with their obstacles."""
    return {each.name: each.obstacle for each in remedies_for(facts) if each.name.startswith("compile")}


def test_torch_compile_is_offered_for_a_model_that_is_not_compiled():
    on_gpu = RunFacts(modules=FACTS.modules, torch_model="Network", dtype="float32", device="cuda:0")
    assert set(compiling(FACTS)) == {"compile"}
    assert set(compiling(on_gpu)) == {"compile", "compile-reduce-overhead"}
    compiled = RunFacts(modules=FACTS.modules, torch_model="Network", device="cpu", compiled=True)
    assert set(compiling(compiled)) == {"compile-off"}
    assert not compiling(RunFacts(modules=FACTS.modules, dtype="float64", device="cpu"))
    assert not compiling(RunFacts(modules=FACTS.modules, torch_model="RecursiveScriptModule", device="cpu"))


def test_what_torch_compile_needs_and_the_machine_lacks_is_its_obstacle(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no-such-compiler is not found" in compiling(FACTS)["compile"]
    monkeypatch.setenv("CXX", sys.executable)  # any program that exists
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    assert "install python3-dev" in compiling(FACTS)["compile"]
    (tmp_path / "Python.h").touch()
    assert compiling(FACTS)["compile"] == ""
    monkeypatch.setattr(compilation, "find_spec", lambda _: None)
    on_gpu = RunFacts(modules=FACTS.modules, torch_model="Network", device="cuda")
    assert set(compiling(on_gpu).values()) == {"torch.compile needs triton for a GPU: pip install triton"}


@pytest.mark.slow
@pytest.mark.timeout(400)  # on a busy machine
@pytest.mark.skipif(bool(compilation._missing_tool(on_gpu=False)), reason="needs a C++ compiler")
def test_a_program_with_a_compiled_model_gives_the_same_values(tmp_path):
    for path in (Path(__file__).parent / "programs").glob("*.py"):
        shutil.copy(path, tmp_path)
    (tmp_path / "runs").mkdir()
    write_facts(tmp_path / "facts.json", FACTS)
    (remedy,) = (each for each in remedies_for(FACTS) if each.name == "compile")
    processes = Processes(TriedProgram(("fusion.py",)), tmp_path / "runs")
    as_is = processes.measure(20)
    compiled = processes.measure(20, (remedy,), tmp_path / "facts.json")
    assert compiled.energies_ev == pytest.approx(as_is.energies_ev, abs=1e-9)
    first_call_ns, first_compiled_ns = (run.starts_ns[1] - run.starts_ns[0] for run in (as_is, compiled))
    assert first_compiled_ns > 10 * first_call_ns  # it was compiled then
    assert compiled.per_call_ns < 0.1 * first_compiled_ns  # which is left out of the time per call
