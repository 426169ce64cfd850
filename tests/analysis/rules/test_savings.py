"""Savings are counted once: in sum never more than the run took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc.analysis.rules.savings import count_once

REGIONS = ("calls", "calculator", "outside", "anywhere")
CLAIMS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2),
    st.tuples(st.sampled_from(REGIONS), st.floats(0, 1e15)),
    max_size=8,
)


@given(CLAIMS, st.floats(0, 1e12), st.floats(0, 1))
def test_savings_add_up_to_at_most_the_run_and_to_at_most_their_region(claims, wall, part):
    counted = count_once(claims, wall, part * wall)
    assert counted.keys() == claims.keys()
    assert all(0 <= saving <= claims[name][1] for name, saving in counted.items())
    assert sum(counted.values()) <= wall * (1 + 1e-9)
    inside = sum(counted[name] for name in claims if claims[name][0] in {"calls", "calculator"})
    assert inside <= part * wall * (1 + 1e-9)


def test_a_single_saving_is_its_own():
    assert count_once({"a": ("outside", 30.0)}, 100.0, 60.0) == {"a": 30.0}


def test_a_part_of_calls_that_are_saved_is_not_saved_again():
    counted = count_once({"list": ("calculator", 40.0), "twice": ("calls", 50.0)}, 100.0, 100.0)
    # Half of the calls go, and with them half of the lists.
    assert counted == {"twice": 50.0, "list": pytest.approx(20.0)}


def test_disjoint_parts_add_up():
    claims = {"list": ("calculator", 40.0), "contractions": ("calculator", 30.0), "writer": ("outside", 20.0)}
    assert count_once(claims, 100.0, 80.0) == {"list": 40.0, "contractions": 30.0, "writer": 20.0}
