"""Conversions and copies of recorded calls are counted by kind, and torch behaves as ever."""

from __future__ import annotations

import copy
import pickle
from time import perf_counter_ns
from types import SimpleNamespace

import numpy as np
import pytest
from tests.capture.counting.working import journal_of

from instrumented_calc import span
from instrumented_calc.capture.counting import conversions, torch_conversions
from instrumented_calc.capture.counting.table import SignatureTable
from instrumented_calc.capture.counting.torch_conversions import TorchConversionsProbe
from instrumented_calc.capture.open_calls import Entry, active
from instrumented_calc.journal.reader import read_journal

torch = pytest.importorskip("torch")
X = torch.ones(2, 3)
EARLY_TO = torch.Tensor.to


def converted(work, calls=1):
    """Return the conversions recorded in a run of calls, and the return value of the work."""
    journal, value = journal_of(work, calls)
    return [row for record in journal.conversions for row in record.conversions], value


@pytest.fixture
def without_compile(monkeypatch):
    """Run as in a program that has not loaded torch.compile, whatever the tests before have done."""
    monkeypatch.setattr(torch_conversions, "DYNAMO", "torch._dynamo_that_nobody_has")


@pytest.fixture
def probe():
    maker = SimpleNamespace(clock=perf_counter_ns, signatures=SignatureTable())
    probe = TorchConversionsProbe(maker)
    yield probe
    probe.close()


# Lambdas: a method that was bound before the run is torch's own.
KINDS = {
    "numpy to": (lambda: X.numpy(), "torch to numpy", "float32@cpu", "float32@cpu", 24),  # noqa: PLW0108 - looked up late
    "asarray": (lambda: np.asarray(X), "torch to numpy", "float32@cpu", "float32@cpu", 24),
    "to a dtype": (lambda: X.to(torch.float64), "cast", "float32@cpu", "float64@cpu", 48),
    "to by name": (lambda: X.to(dtype=torch.float16), "cast", "float32@cpu", "float16@cpu", 12),
    "to as another": (lambda: X.to(X.double()), "cast", "float32@cpu", "float64@cpu", 48),
    "double": (lambda: X.double(), "cast", "float32@cpu", "float64@cpu", 48),  # noqa: PLW0108 - looked up late
    "half": (lambda: X.half(), "cast", "float32@cpu", "float16@cpu", 12),  # noqa: PLW0108 - looked up late
    "to a device": (lambda: X.to("meta"), "host to device", "float32@cpu", "float32@meta", 24),
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_counted(name):
    work, kind, source, target, size = KINDS[name]
    rows, _ = converted(work, calls=3)
    (row,) = [row for row in rows if row.kind == kind]
    casts = 2 if name == "to as another" else 1
    assert (row.source, row.target) == (source, target)
    assert row.calls == 3 * casts
    assert row.bytes == 3 * casts * size
    assert row.ns > 0


def test_conversions_without_a_change_are_not_counted():
    def work():
        same = X.to(torch.float32), X.cpu(), X.float()
        X.to(torch.float32, copy=True)
        return all(each is X for each in same)

    assert converted(work) == ([], True)


def test_arrays_become_tensors(without_compile):
    array = np.ones((2, 3))

    def work():
        return (
            torch.from_numpy(array),
            torch.as_tensor(array),
            torch.tensor(array, dtype=torch.float32),
            torch.as_tensor(data=np.float64(1)),
            torch.tensor([1.0, 2.0]),
            torch.as_tensor(X),
        )

    rows, values = converted(work)
    found = {(row.kind, row.source, row.target): (row.calls, row.bytes) for row in rows}
    assert found == {
        ("numpy to torch", "float64@cpu", "float64@cpu"): (3, 48 + 48 + 8),
        ("numpy to torch", "float64@cpu", "float32@cpu"): (1, 24),
    }
    assert values[5] is X
    assert values[0].data_ptr() == array.ctypes.data


def test_as_tensor_of_a_tensor_is_a_cast(without_compile):
    (row,), _ = converted(lambda: torch.as_tensor(X, dtype=torch.float64))
    assert (row.kind, row.source, row.target) == ("cast", "float32@cpu", "float64@cpu")


def test_the_component_that_called_is_named_and_nothing_is_counted_outside():
    def work():
        with span("to host"):
            X.numpy()

    X.numpy()
    (row,), _ = converted(work)
    assert (row.component, row.calls) == ("to host", 1)


def test_numbers_of_a_device_are_waited_for(monkeypatch):
    monkeypatch.setattr(torch_conversions, "_has_device", lambda _: True)
    signatures = SignatureTable()
    entry = Entry(0, SimpleNamespace(signatures=signatures))
    on_device = SimpleNamespace(device=torch.device("cuda", 0), dtype=torch.float32, nbytes=4)
    conversions.note_sync(entry, on_device, 1.0, 5)
    conversions.note_wait(entry, "cuda", 7)
    number, wait = signatures.news_of_conversions(1).conversions
    assert (number.kind, number.calls, number.ns, number.bytes) == ("sync", 1, 5, 4)
    assert (wait.kind, wait.source, wait.target, wait.ns) == ("sync", "cuda", "", 7)
    rows, value = converted(lambda: (X.sum().item(), X.tolist(), float(X.sum()), int(X.sum()), bool(X.sum())))
    assert rows == []
    assert value == (6.0, [[1.0] * 3] * 2, 6.0, 6, True)


def test_errors_are_torchs_own():
    def work():
        with pytest.raises(RuntimeError, match="requires grad"):
            X.clone().requires_grad_().numpy()
        with pytest.raises(TypeError):
            X.to(1, 2, 3, 4, 5)
        with pytest.raises(TypeError):
            torch.Tensor.to()

    assert converted(work)[0] == []


class Marked(torch.Tensor):
    """A subclass whose override selects torch's own methods from a table."""

    HANDLED = {EARLY_TO: "to", torch.Tensor.numpy: "numpy"}  # noqa: RUF012 - never changed
    seen: list[str] = []  # noqa: RUF012 - the test's

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.seen.append(cls.HANDLED.get(func, "?"))
        return super().__torch_function__(func, types, args, kwargs or {})


@pytest.mark.parametrize("inside", [True, False])
def test_an_override_is_given_torchs_own_method(inside, probe):
    marked = X.as_subclass(Marked)
    Marked.seen.clear()

    def work():
        return marked.to(torch.float64)

    rows, value = converted(work) if inside else ([], work())
    assert type(value) is Marked
    assert Marked.seen[0] == "to"
    assert [row.kind for row in rows] == (["cast"] if inside else [])


def test_a_mode_is_given_torchs_own_method_and_it_is_counted_once():
    seen = []

    class Mode(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            seen.append(func)
            return func(*args, **(kwargs or {}))

    def work():
        with Mode():
            return X.double()

    (row,), _ = converted(work)
    assert row.calls == 1
    assert seen == [torch._C.TensorBase.double]


def test_fake_tensors_are_not_counted():
    fake_tensors = pytest.importorskip("torch._subclasses.fake_tensor")

    def work():
        with fake_tensors.FakeTensorMode():
            torch.ones(2).double()

    assert converted(work)[0] == []


def test_tensors_and_methods_can_be_copied_and_pickled(probe):
    assert torch.equal(pickle.loads(pickle.dumps(X)), X)  # noqa: S301 - our own
    assert torch.equal(copy.deepcopy(X), X)
    assert pickle.loads(pickle.dumps(torch.Tensor.to)) is torch.Tensor.to  # noqa: S301 - our own


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_scripting_works_while_and_after_runs_are_recorded(without_compile):
    _, value = converted(lambda: torch.jit.script(to_script)(X))
    assert torch.equal(value, to_script(X))
    assert torch.equal(torch.jit.script(to_script_later)(X), to_script(X))


def to_script(x: torch.Tensor) -> torch.Tensor:
    return x.to(torch.float64) + torch.tensor(2.0) + torch.as_tensor(1.0)


def to_script_later(x: torch.Tensor) -> torch.Tensor:
    return x.to(torch.float64) + torch.tensor(2.0) + torch.as_tensor(1.0)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_a_function_that_was_imported_while_recorded_can_be_scripted_and_compiled(monkeypatch):
    dynamo = pytest.importorskip("torch._dynamo")
    with monkeypatch.context() as patch:
        patch.setattr(torch_conversions, "DYNAMO", "torch._dynamo_that_nobody_has")
        _, imported = converted(lambda: torch.as_tensor)
    assert imported is not torch.as_tensor

    def work(x: torch.Tensor):
        return imported(x) + 1

    assert torch.equal(torch.compile(work, backend="eager", fullgraph=True)(X), X + 1)
    assert torch.equal(torch.jit.script(work)(X), X + 1)
    dynamo.reset()


def test_a_default_device_works_while_and_after_runs_are_recorded(without_compile):
    def work():
        with torch.device("meta"):
            return torch.tensor([1.0]).device.type, torch.as_tensor([1.0]).device.type

    assert converted(work)[1] == ("meta", "meta") == work()


def casts(x):
    return x.to(torch.float64).double() + 1


def breaks(x):
    y = x.double()
    torch._dynamo.graph_break()
    return torch.as_tensor(y.numpy()).to(torch.float32) + torch.tensor(2.0)


class TestCompiled:
    """torch.compile compiles as often as without a recording."""

    @pytest.fixture(autouse=True)
    def dynamo(self):
        dynamo = pytest.importorskip("torch._dynamo")
        dynamo.reset()
        yield dynamo
        dynamo.reset()

    def run(self, function, record):
        """Return graphs and breaks of a compiled function, the counts, and its value."""
        counters = torch._dynamo.utils.counters
        torch._dynamo.reset()
        counters.clear()
        counter = pytest.importorskip("torch._dynamo.testing").CompileCounter()
        compiled = torch.compile(function, backend=counter)
        rows = []
        if record != "from the first call":
            value = [compiled(X) for _ in range(2)][-1]
        if record != "bare":
            rows, value = converted(lambda: compiled(X), calls=3)
        compiled(X)
        return (counter.frame_count, sum(counters["graph_break"].values()), value.tolist()), rows

    @pytest.mark.parametrize("function", [casts, breaks])
    def test_no_graph_and_no_break_is_added(self, function):
        bare, _ = self.run(function, "bare")
        for record in ("from the first call", "later"):
            recorded, rows = self.run(function, record)
            assert recorded == bare
            assert {row.kind for row in rows} >= {"cast"}

    def test_a_full_graph_stays_whole(self):
        compiled = torch.compile(casts, backend="eager", fullgraph=True)
        _, value = converted(lambda: compiled(X))
        assert torch.equal(value, casts(X))

    def test_functions_are_counted_if_it_is_only_loaded(self):
        rows, _ = converted(lambda: (X.double(), torch.as_tensor(np.ones(3))))
        assert {row.kind for row in rows} == {"cast", "numpy to torch"}
        (record,) = read_journal("c.jsonl").conversions
        assert not record.unseen

    def test_uncounted_functions_are_named(self):
        torch.compile(casts, backend="eager")(X)
        converted(lambda: (X.double(), torch.as_tensor(np.ones(3))))
        (record,) = read_journal("c.jsonl").conversions
        assert record.unseen == ["as_tensor", "from_numpy", "tensor"]

    def test_functions_are_given_back_before_the_first_compilation(self, probe):
        own = torch.as_tensor.__wrapped__
        assert torch.as_tensor is not own
        traced = []

        def backend(graph, _):
            traced.append(torch.as_tensor)
            return graph.forward

        torch.compile(breaks, backend=backend)(X)
        assert traced
        assert all(each is own for each in traced)
        probe.look()
        assert torch.as_tensor is own

    def test_a_table_that_dynamo_made_meanwhile_is_made_again(self, probe):
        rules = pytest.importorskip("torch._dynamo.trace_rules")
        rules.get_torch_obj_rule_map.cache_clear()
        replacement, own = torch.as_tensor, torch.as_tensor.__wrapped__
        assert replacement in rules.get_torch_obj_rule_map()
        probe.close()
        assert own in rules.get_torch_obj_rule_map()
        assert replacement not in rules.get_torch_obj_rule_map()

    def test_when_it_is_loaded_later_the_functions_are_given_back(self, monkeypatch, dynamo):
        own = torch.as_tensor
        monkeypatch.setattr(torch_conversions, "DYNAMO", "torch._dynamo_that_nobody_has")
        maker = SimpleNamespace(clock=perf_counter_ns, signatures=SignatureTable())
        probe = TorchConversionsProbe(maker)
        assert torch.as_tensor is not own
        assert "to" in vars(torch.Tensor)
        monkeypatch.setattr(torch_conversions, "DYNAMO", "torch._dynamo")
        torch.compile(casts, backend="eager")(X)  # before it is known to be loaded
        probe.look()
        assert torch.as_tensor is own
        assert "to" not in vars(torch.Tensor)
        torch.compile(breaks, backend="eager")(X)
        assert "to" in vars(torch.Tensor)
        probe.look()
        assert "to" in vars(torch.Tensor)
        probe.close()
        assert "to" not in vars(torch.Tensor)
        dynamo.reset()
        torch.compile(breaks, backend="eager")(X)
        assert "to" not in vars(torch.Tensor)


def test_the_last_run_leaves_torch_as_it_was(without_compile):
    own, functions = dict(vars(torch.Tensor)), (torch.from_numpy, torch.as_tensor, torch.tensor)
    waits = getattr(torch._C, "_cuda_synchronize", None)
    maker = SimpleNamespace(clock=perf_counter_ns, signatures=SignatureTable())
    first, second = TorchConversionsProbe(maker), TorchConversionsProbe(maker)
    first.close()
    first.close()
    assert torch.Tensor.to is not EARLY_TO
    second.close()
    second.look()
    assert dict(vars(torch.Tensor)).keys() == own.keys()
    assert (torch.from_numpy, torch.as_tensor, torch.tensor) == functions
    assert getattr(torch._C, "_cuda_synchronize", None) is waits
    assert torch.Tensor.to is EARLY_TO
    assert active.stack == []
