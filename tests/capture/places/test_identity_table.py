"""Values are found by the identity of their objects, and go with them."""

import gc

import pytest

from instrumented_calc.capture.places.identity_table import IdentityTable


class Unhashable:
    __hash__ = None


def test_a_value_goes_with_its_object():
    table, one, other = IdentityTable(), Unhashable(), Unhashable()
    table.put(one, "one")
    table.put(other, "other")
    assert table.values == {id(one): "one", id(other): "other"}
    del one
    gc.collect()
    assert table.values == {id(other): "other"}


def test_a_value_that_was_replaced_or_removed_stays_so_when_the_object_goes():
    table, one, other = IdentityTable(), Unhashable(), Unhashable()
    table.put(one, "first")
    table.put(one, "second")
    assert table.values == {id(one): "second"}
    table.put(other, "other")
    table.remove(id(other))
    del one, other
    gc.collect()
    assert table.values == {}


def test_the_next_object_of_the_same_identity_keeps_its_own_value():
    table = IdentityTable()
    for number in range(100):  # CPython gives the same address again
        each = Unhashable()
        assert id(each) not in table.values
        table.put(each, number)
        assert table.values == {id(each): number}
        del each


def test_an_object_without_weak_references_is_refused_and_not_kept():
    table = IdentityTable()
    with pytest.raises(TypeError):
        table.put((), 1)
    assert table.values == {}
