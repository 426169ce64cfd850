"""Set up what hypothesis leaves in the process before any test looks at what is left behind."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="session", autouse=True)
def hypothesis_is_set_up():
    """Install hypothesis's garbage-collection callback, which stays for good."""

    @settings(max_examples=1, database=None)
    @given(st.none())
    def first_use(_nothing):
        pass

    first_use()
