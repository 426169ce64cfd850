"""Reading what objects hold: none of their code runs, and their own accesses stay as fast as they were."""

from __future__ import annotations

import functools
import gc
import sys
from typing import Any

import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet

from instrumented_calc import profiled
from instrumented_calc.capture.attribute_lookup import keep_attributes_fast, stored

where_reading_costs = pytest.mark.skipif(
    not (3, 11) <= sys.version_info < (3, 13), reason="a read dictionary costs nothing there"
)


class Held:
    of_class = 1

    def __init__(self) -> None:
        self.own = 2

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)

    @property
    def computed(self) -> int:
        raise AssertionError

    @functools.cached_property
    def cached(self) -> int:
        raise AssertionError


def test_only_what_an_object_holds_itself_is_stored() -> None:
    thing = Held()
    found = [stored(thing, name) for name in ("own", "of_class", "computed", "cached", "missing")]
    assert found == [2, None, None, None, None]


def test_a_value_of_the_object_that_the_class_also_has_is_found() -> None:
    thing: Any = Held()
    thing.of_class = 3
    vars(thing)["cached"] = 4
    assert (stored(thing, "of_class"), stored(thing, "cached")) == (3, 4)


def test_classes_and_modules_store_nothing() -> None:
    assert stored(Held, "of_class") is None
    assert stored(sys, "path") is None


@where_reading_costs
@pytest.mark.parametrize("thermostat", [False, True])
def test_attributes_of_atoms_and_driver_stay_fast(thermostat: bool) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.02, seed=1)
    with profiled(EMT(), "run.jsonl", summary=False) as atoms.calc:
        if thermostat:
            md: Any = Langevin(atoms, 5 * units.fs, temperature_K=300, friction=0.01, fixcm=False)
        else:
            md = VelocityVerlet(atoms, 5 * units.fs)
        md.attach(lambda: None, interval=2)
        md.run(20)
        assert [each for each in gc.get_referents(atoms) if type(each) is dict and "_cellobj" in each] == []
        # A split dictionary has no room for keys, which its class holds.
        assert sys.getsizeof(vars(md)) >= sys.getsizeof(dict(vars(md)))


def test_a_combined_dictionary_has_the_same_contents_in_the_same_order() -> None:
    thing = Held()
    thing.later = [1]  # type: ignore[attr-defined]
    before = list(vars(Held()).items())
    keep_attributes_fast(thing)
    assert list(vars(thing).items()) == [*before, ("later", [1])]


def test_a_dictionary_that_others_hold_is_left_alone() -> None:
    thing = Held()
    shared = vars(thing)
    keep_attributes_fast(thing)
    assert vars(thing) is shared
