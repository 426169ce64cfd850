"""Trace windows of torch: transparent, bounded, and true to the executed operations."""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.md.verlet import VelocityVerlet
from tests.support import read_records

from instrumented_calc import Trace, profiled, span
from instrumented_calc.capture.tracing import window_files, windows
from instrumented_calc.capture.tracing.torch_tracer import TorchTracer

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("one_torch_thread")


class Net(torch.nn.Module):
    def __init__(self, width=16):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.Linear(width, width))
        self.stack = torch.nn.Sequential(*[torch.nn.Linear(width, width) for _ in range(3)])
        self.head = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.Linear(width, 1))

    def forward(self, x):
        return 1e-3 * self.head(torch.tanh(self.stack(torch.tanh(self.encoder(x))))).sum()


class Learned(Calculator):
    """A small model in torch, with forces by autograd."""

    implemented_properties = ("energy", "forces")

    def __init__(self, width=16):
        super().__init__()
        self.model = Net(width).double()

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        with span("positions"):
            x = torch.tensor(atoms.get_positions(), requires_grad=True)
        energy = self.model(x)
        (gradient,) = torch.autograd.grad(energy, x)
        self.results = {"energy": energy.item(), "forces": -gradient.numpy()}


PARTS = {"positions", "encoder", "stack", "head", "backward"}
MAYBE = {"model"}  # its own work is a part if it takes enough time


def silicon():
    atoms = bulk("Si", cubic=True)
    atoms.set_momenta(np.random.default_rng(0).normal(scale=1.0, size=(8, 3)))
    return atoms


def md(steps, *, calc=None, **options):
    atoms = silicon()
    with profiled(calc or Learned(), "run.jsonl", summary=False, **options) as atoms.calc:
        VelocityVerlet(atoms, units.fs).run(steps)
    return atoms.get_positions().tobytes(), atoms.get_momenta().tobytes()


def test_md_with_windows_is_bitwise_the_md_without():
    atoms = silicon()
    atoms.calc = Learned()
    VelocityVerlet(atoms, units.fs).run(60)
    expected = atoms.get_positions().tobytes(), atoms.get_momenta().tobytes()
    assert md(60, trace=Trace(every_calls=10, active=3)) == expected
    assert len(read_records().of("trace")) == 6


def test_two_thousand_steps_with_windows_keep_their_memory_and_every_row():
    md(2000, trace=Trace(every_calls=250, active=50, max_windows=8))
    records = read_records()
    assert [row["index"] for row in records.calls] == list(range(2001))
    assert len(records.of("trace")) == 8
    held = [(row["index"], row["rss_bytes"]) for row in records.calls if "rss_bytes" in row]
    second = statistics.median(rss for index, rss in held if 500 < index < 1000)
    last = statistics.median(rss for index, rss in held if index > 1750)
    assert last < 1.01 * second


def test_windows_leave_no_garbage_for_the_collector():
    md(40, trace=Trace(every_calls=10))
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)  # keeps what it collects: other tests may have left some of it
    try:
        tracer = TorchTracer()
        tracer.start()
        torch.ones(4) + 1
        slices = tracer.stop()
        del slices, tracer
        gc.collect()
        owners = [type(each).__module__ for each in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert [owner for owner in owners if owner.startswith(("torch", "instrumented_calc"))] == []


def test_operations_have_their_component_and_shapes():
    md(12, calc=Learned(width=512), trace=Trace(every_calls=10, max_windows=1))
    (trace,) = read_records().of("trace")
    assert trace["tracer"] == "torch.profiler"
    found = {
        (each.get("component", ""), each["operation"], each.get("shapes", "")) for each in trace["operations"]
    }
    assert ("encoder", "aten::addmm", "[512] [8,3] [3,512]") in found
    assert ("stack", "aten::addmm", "[512] [8,512] [512,512]") in found
    assert ("head", "aten::addmm", "[1] [8,512] [512,1]") in found
    assert {component for component, _, _ in found} - MAYBE == PARTS | {""}
    assert any(
        operation.startswith("autograd::") for component, operation, _ in found if component == "backward"
    )
    total = sum(each.get("self_ns", 0) for each in trace["operations"])
    assert total == pytest.approx(trace["wall_ns"], rel=0.02)


def chrome(name="run.trace-1.json"):
    trace = json.loads(Path(name).read_text())
    return [event for event in trace["traceEvents"] if event["ph"] == "X"]


def exclusive(ranges):
    """Return the times of ranges by name, in us, less those of the ranges inside them."""
    own, around = {}, []
    for each in sorted(ranges, key=lambda each: (each["ts"], -each["dur"])):
        while around and each["ts"] >= around[-1]["ts"] + around[-1]["dur"] - 1e-3:
            around.pop()
        if around:
            own[around[-1]["name"]] -= each["dur"]
        own[each["name"]] = own.get(each["name"], 0) + each["dur"]
        around.append(each)
    return own


def test_the_component_ranges_of_the_chrome_trace_nest_and_sum_to_the_wall_time():
    md(12, calc=Learned(width=512), trace=Trace(every_calls=10, max_windows=1))
    (trace,) = read_records().of("trace")
    slices = chrome(trace["file"])
    ranges = [each for each in slices if each["cat"] == "component"]
    (call,) = [each for each in ranges if each["name"] == "calculate"]
    assert {each["name"] for each in ranges} - MAYBE == PARTS | {"calculate"}
    assert call["dur"] * 1e3 == pytest.approx(trace["wall_ns"], rel=0.02)
    own = exclusive(ranges)
    assert min(own.values()) > 0
    assert sum(own.values()) == pytest.approx(trace["wall_ns"] / 1e3, rel=0.02)
    open_until = []
    for each in slices:
        while open_until and each["ts"] >= open_until[-1] - 1e-3:
            open_until.pop()
        assert not open_until or each["ts"] + each["dur"] <= open_until[-1] + 1e-3
        open_until.append(each["ts"] + each["dur"])


def test_component_times_of_the_row_are_those_of_the_trace():
    md(40, calc=Learned(width=512), trace=Trace(every_calls=4, max_windows=8))
    rows = [row["components"] for row in read_records().calls if "window" in row]
    assert len(rows) == 8

    def agree(window):
        ranges = chrome(f"run.trace-{window + 1}.json")
        in_trace = exclusive([each for each in ranges if each["cat"] == "component"])
        return all(
            elapsed == pytest.approx(in_trace[name] * 1e3, rel=0.15, abs=20_000)
            for name, elapsed in rows[window].items()
        )

    # The ranges begin and end some microseconds beside the readings of the row's clock, and on a busy
    # machine the process may have to wait between the two.
    assert any(agree(window) for window in range(8))


def test_a_profiler_of_the_users_own_continues_undisturbed():
    atoms = silicon()
    with (
        profiled(Learned(), "run.jsonl", summary=False, trace=Trace(every_calls=2)) as atoms.calc,
        torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as theirs,
    ):
        VelocityVerlet(atoms, units.fs).run(9)
    records = read_records()
    assert records.of("trace") == []
    assert {each["kind"] for each in records.of("notice")} == {"trace-skipped"}
    assert sum(1 for each in theirs.profiler.kineto_results.events() if each.name() == "aten::addmm") >= 50


def test_a_users_profiler_may_start_right_after_a_window():
    atoms = silicon()
    with profiled(Learned(), "run.jsonl", summary=False, trace=Trace(every_calls=2, active=2)) as atoms.calc:
        dyn = VelocityVerlet(atoms, units.fs)
        dyn.run(2)  # in the midst of a window of two calls
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as theirs:
            dyn.run(1)
        dyn.run(6)
    assert any(each.name() == "aten::addmm" for each in theirs.profiler.kineto_results.events())
    assert [each["calls"] for each in read_records().of("trace")][:2] == [1, 2]


def test_calls_without_torch_make_one_empty_window(monkeypatch):
    monkeypatch.setattr(windows, "TRACERS", {"torch": TorchTracer})  # JAX may be loaded here as well
    atoms = bulk("Cu", cubic=True) * (1, 1, 2)
    atoms.rattle(0.05)
    with profiled(EMT(), "run.jsonl", summary=False, trace=Trace(every_calls=2)) as atoms.calc:
        VelocityVerlet(atoms, units.fs).run(12)
    records = read_records()
    (trace,) = records.of("trace")
    assert {each["operation"] for each in trace["operations"]} == {"*between operations*"}
    assert "file" not in trace
    assert [each["kind"] for each in records.of("notice")] == ["trace-empty"]


def test_a_torch_without_its_private_names_is_traced_by_its_public_ones():
    tracer = TorchTracer()
    public = torch.autograd.profiler
    tracer._profiler = SimpleNamespace(profile=public.profile, record_function=public.record_function)
    tracer._range = public.record_function
    tracer.start()
    with tracer.annotate("ic::"):
        torch.ones(2, 3) @ torch.ones(3, 4)
    found = [(each.name, each.shapes) for each in tracer.stop()]
    assert ("aten::mm", "[2,3] [3,4]") in found
    assert [name for name, _ in found].count("ic::") == 1
    assert not tracer.is_taken()


def test_the_users_log_level_stays_as_it_is(monkeypatch, capfd):
    monkeypatch.delenv("KINETO_LOG_LEVEL", raising=False)
    md(12, trace=Trace(every_calls=10))
    assert "KINETO_LOG_LEVEL" not in os.environ
    monkeypatch.setenv("KINETO_LOG_LEVEL", "3")
    md(12, trace=Trace(every_calls=10))
    assert os.environ["KINETO_LOG_LEVEL"] == "3"


def test_too_large_a_file_keeps_its_ranges_and_reports_it(monkeypatch):
    cut = window_files.chrome_trace
    monkeypatch.setattr(window_files, "chrome_trace", lambda slices, title: cut(slices, title, 6000))
    md(12, trace=Trace(every_calls=10, max_windows=1))
    path = Path("run.trace-1.json")
    assert path.stat().st_size <= 6000
    assert "left out" in json.loads(path.read_text())["otherData"]
    ranges = {each["name"] for each in chrome() if each["cat"] == "component"}
    assert ranges - MAYBE == PARTS | {"calculate"}
    (notice,) = read_records().notices
    assert notice["kind"] == "trace-file-cut"


def test_without_torch_nothing_imports_it(working_directory):
    code = (
        "import sys; from ase import Atoms; from ase.calculators.emt import EMT\n"
        "from instrumented_calc import profiled, Trace\n"
        "for trace in ('auto', Trace(every_calls=1)):\n"
        "    with profiled(EMT(), 'run.jsonl', trace=trace, summary=False) as calc:\n"
        "        for x in range(5): calc.get_potential_energy(Atoms('Cu', positions=[(x, 0, 0)]))\n"
        "assert 'torch' not in sys.modules and 'jax' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=working_directory)
    assert read_records().of("trace") == []
    assert len(Atoms("Cu")) == 1
