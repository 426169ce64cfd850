"""torch modules are found wherever a calculator holds them, without running code of the calculator."""

import functools
import sys
import types

import pytest

from instrumented_calc.capture.parts.discovery import MOST_MODULES, find_inside
from instrumented_calc.capture.parts.holdings import holdings

torch = pytest.importorskip("torch")
nn = torch.nn


class Holder:
    """A plain object with attributes; its property must not be read."""

    def __init__(self, **held):
        vars(self).update(held)

    @property
    def forbidden(self):
        """Fail."""
        raise AssertionError

    def __getattr__(self, name):
        raise AssertionError(name)


class Block(nn.Module):
    """Two layers, the second in a list."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.rest = nn.ModuleList([nn.Linear(2, 2)])

    def forward(self, x):
        """Run both."""
        return self.rest[0](self.first(x))


def inside(calculator):
    return find_inside(holdings(calculator))


def reasons(**held):
    return inside(Holder(**held)).reasons


def paths(**held):
    return {part.name for part in inside(Holder(**held)).parts}


def closure_of(model):
    return lambda x: model(x)  # noqa: PLW0108 - the closure is the point


@pytest.mark.parametrize(
    ("held", "root"),
    [
        ({"model": Block()}, "model"),
        ({"models": [Block()]}, "models.0"),
        ({"models": {"energy": (Block(),)}}, "models.energy.0"),
        ({"base": Holder(dp=Holder(model=Block()))}, "base.dp.model"),
        ({"compute": Block().forward}, "compute"),
        ({"compute": closure_of(Block())}, "compute"),
        ({"compute": functools.partial(nn.functional.linear, weight=Block())}, "compute"),
    ],
    ids=["attribute", "list", "dictionary", "holders", "bound method", "closure", "partial"],
)
def test_wherever_they_are(held, root):
    assert paths(**held) == {root, f"{root}.first", f"{root}.rest.0"}


class Key:
    """Its text must not be asked for."""

    def __str__(self):
        raise AssertionError

    __repr__ = __str__


def test_keys_of_dictionaries_are_named_only_if_they_are_plain():
    held = {Key(): nn.Linear(1, 1), 7: nn.Linear(1, 1), "k" * 1000: nn.Linear(1, 1), "a": nn.Linear(1, 1)}
    assert paths(models=held) == {"models.0", "models.7", "models.2", "models.a"}


def test_a_model_that_is_held_twice_is_found_once():
    model = Block()
    assert len(paths(model=model, again=[model])) == 3


def test_modules_hidden_from_torch_in_a_plain_list_are_found():
    model = Block()
    model.hidden = [nn.Linear(2, 2)]
    assert "model.hidden.0" in paths(model=model)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")  # deprecated, but models still use it
def test_a_scripted_module_is_one_part_and_the_reason_is_given():
    model = torch.jit.script(Block())
    assert paths(model=model) == {"model"}
    assert reasons(model=model) == ["model is compiled by TorchScript"]
    more = [torch.jit.script(Block()) for _ in range(2)]
    assert reasons(model=model, more=more) == ["model and 2 more are compiled by TorchScript"]


class AOTICompiledModel:
    """Has the name of the class by which torch runs a model compiled by AOTInductor."""


def test_the_reason_is_given_for_a_model_compiled_ahead_of_time():
    assert reasons(inner=Holder(model=AOTICompiledModel())) == ["inner.model is compiled by AOTInductor"]


def test_the_reason_is_given_for_a_cuda_graph():
    graphed = types.FunctionType(closure_of.__code__, {"__name__": "torch.cuda.graphs"})
    assert reasons(model=graphed) == ["model is replayed as a CUDA graph"]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")  # deprecated, but models still use it
def test_code_that_a_library_generates_is_part_of_its_module():
    model = Block()
    model._compiled_main = torch.jit.script(nn.Linear(2, 2))
    assert "model._compiled_main" not in paths(model=model)
    assert reasons(model=model) == []


def test_a_sequence_of_layers_is_one_part_but_not_one_of_other_modules():
    assert paths(model=nn.Sequential(nn.Linear(2, 2), nn.SiLU())) == {"model"}
    assert "model.0" in paths(model=nn.Sequential(Block()))


def test_their_number_is_limited():
    assert len(paths(model=nn.ModuleList(nn.Linear(1, 1) for _ in range(MOST_MODULES + 1)))) == MOST_MODULES


def test_circles_end():
    one, other = Holder(), Holder(model=Block())
    vars(one)["other"], vars(other)["one"] = other, one
    assert len(inside(one).parts) == 3


@pytest.fixture(autouse=True)
def nothing_compiled():
    """Forget all compiled code after the test."""
    yield
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()


class TestCompiled:
    """What torch.compile has compiled is one part, and nothing inside it is touched."""

    def test_a_module_compiled_in_place(self):
        model = Block()
        model.compile(backend="eager")
        assert paths(model=model) == {"model"}
        assert reasons(model=model) == ["model is compiled by torch.compile"]

    def test_a_compiled_copy_beside_the_original(self):
        model = Block()
        assert paths(model=model, fast=torch.compile(model, backend="eager")) == {"fast"}

    def test_a_compiled_child(self):
        model = Block()
        model.first.compile(backend="eager")
        assert paths(model=model) == {"model", "model.first", "model.rest.0"}

    def test_a_compiled_method(self):
        model = Block()
        assert paths(model=model, call=torch.compile(model.forward, backend="eager")) == set()

    def test_a_compiled_closure(self):
        model = Block()
        assert paths(model=model, call=torch.compile(closure_of(model), backend="eager")) == set()

    def test_a_method_that_is_decorated(self):
        class Decorated(Block):
            @torch.compile(backend="eager")
            def helper(self, x):
                return self.first(x)

        assert paths(model=Decorated()) == {"model"}

    def test_a_calculator_with_a_decorated_method(self):
        class Calculator(Holder):
            @torch.compile(backend="eager")
            def compute(self, x):
                return self.model(x)

        assert inside(Calculator(model=Block())).parts == []
