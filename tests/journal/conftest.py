"""Install hypothesis's permanent hook before any test checks for leftovers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="session", autouse=True)
def hypothesis_is_set_up():
    """Install hypothesis's garbage-collection callback, which is never removed."""

    @settings(max_examples=1, database=None)
    @given(st.none())
    def first_use(_nothing):
        pass

    first_use()
