"""`calculate` in any form that a class may give it runs exactly as on the bare calculator."""

from __future__ import annotations

import functools
from functools import partial, partialmethod, singledispatchmethod
from unittest import mock

import pytest
from ase import Atoms
from ase.calculators.calculator import all_changes
from tests.capture import zoo
from tests.capture.zoo import copper, pulled
from tests.support import outcome, read_records

from instrumented_calc import ProfiledCalculator, recording

SEEN = []
ARGUMENTS = (["energy", "forces"], list(all_changes))


def noting(*given):
    """Record a form's argument by class and value."""
    SEEN.append(tuple(each if isinstance(each, (type, str, list, tuple)) else type(each) for each in given))
    return "answer"


class Callable_:  # noqa: N801 - not the one of typing
    """A callable object."""

    def __call__(self, atoms, properties, system_changes):
        return noting("callable", atoms, properties, system_changes)


class Descriptor:
    """A data descriptor of the user's own."""

    def __get__(self, instance, owner):
        return self if instance is None else partial(noting, "descriptor", instance.__class__, owner)

    def __set__(self, instance, value):
        raise AttributeError


class Static(zoo.Spring):
    @staticmethod
    def calculate(atoms, properties, system_changes):
        return noting("static", atoms, properties, system_changes)


class OfClass(zoo.Spring):
    @classmethod
    def calculate(cls, atoms, properties, system_changes):
        return noting("class", cls, atoms, properties, system_changes)


class Partial(zoo.Spring):
    calculate = partial(noting, "partial")


class PartialMethod(zoo.Spring):
    def _calculate(self, kind, atoms, properties, system_changes):
        return noting(kind, self.__class__, atoms, properties, system_changes)

    calculate = partialmethod(_calculate, "partialmethod")


class Property(zoo.Spring):
    @property
    def calculate(self):
        return partial(noting, "property", self.__class__)


class Single(zoo.Spring):
    @singledispatchmethod
    def calculate(self, atoms, properties, system_changes):
        return noting("anything", self.__class__, atoms, properties, system_changes)

    @calculate.register
    def _(self, atoms: Atoms, properties, system_changes):
        return noting("atoms", self.__class__, atoms, properties, system_changes)


class Object(zoo.Spring):
    calculate = Callable_()


class Odd(zoo.Spring):
    calculate = Descriptor()


class Decorated(zoo.Spring):
    @functools.wraps(zoo.Spring.calculate)
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        return noting("decorated", self.__class__)


class Compiled(zoo.Spring):
    calculate = print


class Inherited(Decorated):
    pass


def on_the_instance():
    calc = zoo.Spring()
    calc.calculate = lambda atoms, properties, system_changes: noting(
        "instance", atoms, properties, system_changes
    )
    return calc


def mocked():
    calc = zoo.Spring()
    calc.calculate = mock.Mock(side_effect=partial(noting, "mock"))
    return calc


FORMS = [
    Static,
    OfClass,
    # Python 3.13 announces that a later one binds partials as methods.
    pytest.param(
        Partial, marks=pytest.mark.filterwarnings("ignore:functools.partial will be a method:FutureWarning")
    ),
    PartialMethod,
    Property,
    Single,
    Object,
    Odd,
    Decorated,
    Compiled,
    Inherited,
    on_the_instance,
    mocked,
]


def looked_up(self, name):
    """Look an attribute up in the usual way, but by code of the calculator's own."""
    return object.__getattribute__(self, name)


def slotted(make):
    """Return the same calculator where only a proxy is possible."""
    calc = make()
    cls = type(calc)
    calc.__class__ = type(cls)(cls.__name__, (cls,), {"__getattribute__": looked_up})
    return calc


@pytest.fixture(params=["twin", "proxy"])
def made(request):
    """Return a function that makes a calculator for a twin or for a proxy."""
    return (lambda make: make()) if request.param == "twin" else slotted


@pytest.mark.parametrize("form", FORMS, ids=lambda each: each.__name__)
def test_it_is_given_and_gives_the_same(form, made):
    found = []
    for wrap in (lambda calc: calc, ProfiledCalculator):
        SEEN.clear()
        calc = wrap(made(form))
        answers = [
            outcome(lambda: calc.calculate(copper(), *ARGUMENTS)),  # noqa: B023 - called immediately
            outcome(lambda: calc.calculate(atoms=copper(), properties=[], system_changes=[])),  # noqa: B023
            outcome(lambda: calc.calculate("wrong")),  # noqa: B023
        ]
        found.append((answers, [tuple(map(_plain, each)) for each in SEEN]))
    assert found[0] == found[1]
    recording(calc).close()
    records = read_records()
    assert len(records.calls) == recording(calc).calls == 3
    assert records.counters["faults"] == records.counters["lost_rows"] == 0


def _plain(given):
    """Return a class by its name: each calculator for a proxy has a class of its own."""
    return given.__name__ if isinstance(given, type) else given


@pytest.mark.parametrize("form", [Single, OfClass, PartialMethod])
def test_forces_are_recorded_through_ase(form):
    class Real(form):
        results_of = staticmethod(pulled)

        def get_property(self, name, atoms=None, allow_calculation=True):
            self.calculate(atoms, [name], [])
            return pulled(atoms, 0.02)[name]

    atoms = copper()
    atoms.calc = ProfiledCalculator(Real())
    atoms.get_forces()
    assert recording(atoms.calc).calls == 1


def test_a_mock_put_on_the_class_is_called_as_on_the_bare_calculator():
    calls = []
    for wrap in (lambda calc: calc, ProfiledCalculator):

        class Fresh(zoo.Spring):
            pass

        calc = wrap(Fresh())
        with mock.patch.object(Fresh, "calculate") as patched:
            atoms = copper()
            calc.calculate(atoms, ["energy"], [])
            calls.append([[type(arg) for arg in call.args] for call in patched.call_args_list])
    assert calls[0] == calls[1] == [[Atoms, list, list]]
