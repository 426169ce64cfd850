"""Real calculators, bare and wrapped: the same dynamics, bit for bit, and what a journal tells of each.

`-k NAME` selects those of an environment; without its library a calculator is skipped. What is measured of
each, and why something is not, is in `blindness.json`, from which a page of the documentation is made.
"""

import importlib.util
import json
import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from ase import units
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from tests.integrations.real_calculators import STACKS

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.analysis.timing.latency import steady_calls
from instrumented_calc.capture.calls.first_calls import FIRST_CALLS
from instrumented_calc.integration import GROUP
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.vocabulary import LIST_BUILDS

BLINDNESS = json.loads(Path(__file__).with_name("blindness.json").read_text(encoding="utf-8"))
MEASURED = "measured"
STEPS = 10
MOST_OTHER = 0.15  # of the time of a call of a torch model, outside its parts
FEWEST_ROWS, MOST_ROWS = 3, 12  # of a table that people read

if importlib.util.find_spec("jax") is not None:
    importlib.import_module("jax")  # it listens to the garbage collector, which is to be so before a test

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # those of the libraries: each version has others
    pytest.mark.timeout(600),
]


@pytest.fixture(autouse=True)
def one_thread():
    """Sums of several threads may differ in the last bit."""
    if importlib.util.find_spec("torch") is None:
        yield
        return
    import torch  # noqa: PLC0415 - it may be missing

    threads, dtype, precision = (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.get_float32_matmul_precision(),
    )
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_default_dtype(dtype)
    torch.set_float32_matmul_precision(precision)


@pytest.fixture(params=STACKS)
def name(request):
    """Name of a stack whose library is installed."""
    library = STACKS[request.param].library
    if importlib.util.find_spec(library) is None and shutil.which(library) is None:
        pytest.skip(f"no {library} in this environment")
    return request.param


def simulated(calc, atoms):
    """Return the atoms after some steps."""
    MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(0))
    atoms.calc = calc
    VelocityVerlet(atoms, 0.5 * units.fs).run(STEPS)
    return atoms


def counted(calc, monkeypatch):
    """Count a calculator's own calculations from now on; None if Python does not see them."""
    kind = next((base for base in type(calc).__mro__ if "calculate" in vars(base)), None)
    if kind is None:
        return None
    calls = []
    real = kind.calculate

    def calculate(self, *args, **kwargs):
        calls.append(self)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(kind, "calculate", calculate)
    return calls


def closed(calc):
    if hasattr(calc, "server"):
        calc.close()


def test_a_journal_changes_nothing_and_tells_what_the_matrix_says(name, tmp_path, monkeypatch):
    stack = STACKS[name]
    if stack.integration:  # found whether or not this package is installed
        value = f"instrumented_calc_{stack.integration}:integration"
        entry_point = metadata.EntryPoint(stack.integration, value, GROUP)
        monkeypatch.setattr("instrumented_calc.integration.installed", lambda: (entry_point,))
    with monkeypatch.context() as patch:
        calc = stack.make(tmp_path)
        calls = counted(calc, patch)
        bare = simulated(calc, stack.atoms())
        closed(calc)
        made = None if calls is None else len(calls)
    with monkeypatch.context() as patch:
        calc = stack.make(tmp_path)
        calls = counted(calc, patch)
        recorded = ProfiledCalculator(calc)
        wrapped = simulated(recorded, stack.atoms())
        recording(recorded).close()
        closed(calc)
        assert made == (None if calls is None else len(calls))
    for array in ("positions", "momenta"):
        assert wrapped.arrays[array].tobytes() == bare.arrays[array].tobytes()

    journal = read_journal(Path("run.jsonl"))
    summary = summarize(journal)
    assert summary.evaluations.calls == STEPS + 1
    assert summary.evaluations.failed == 0
    assert journal.counters.faults == 0
    told = BLINDNESS[name]
    assert measured_in(summary) == {column for column, cell in told.items() if cell == MEASURED}
    if stack.torch_model:
        check_parts(journal.calls, stack)


def measured_in(summary):
    """Return the columns of the matrix that a journal has."""
    calls = summary.journal.calls
    counts = {name for name in calls.counts if name != LIST_BUILDS}
    found = {
        "rows": len(calls) > 0,
        "parts": bool(calls.components),
        "backward": any(is_backward(part) for part in calls.components),
        "device time": bool(calls.device),
        "memory": "rss_bytes" in calls.sparse,
        "child processes": "child_cpu_ns" in calls.sparse,
        "edges": bool(counts),
        "compile": len(calls.compiled) > 0,
    }
    return {column for column, is_there in found.items() if is_there}


def is_backward(part):
    return part.rpartition(" / ")[2].partition(" (")[0] == "backward"


def check_parts(calls, stack):
    """Few parts carry the time of a torch model's calls.

    The usual call is judged, not the sum: on a busy machine a call waits for a processor anywhere.
    """
    steady, _ = steady_calls(calls)
    steady = steady[steady >= FIRST_CALLS]
    wall = calls.wall_ns[steady].astype(np.float64)
    times = {name: column[steady] for name, column in calls.components.items() if column[steady].any()}
    other = 1 - sum(column.astype(np.float64) for column in times.values()) / wall
    assert np.median(other) < MOST_OTHER
    assert FEWEST_ROWS <= len(times) <= MOST_ROWS
    assert any(map(is_backward, times)) == stack.backward


@pytest.mark.parametrize("name", STACKS)
def test_every_cell_of_the_matrix_is_measured_or_gives_a_reason(name):
    assert {MEASURED} | {*BLINDNESS[name].values()} != {MEASURED}
    assert all(BLINDNESS[name].values())
    assert [*BLINDNESS[name]] == [*BLINDNESS["CHGNet"]]


def test_the_matrix_has_all_calculators():
    assert [*BLINDNESS] == [*STACKS]
