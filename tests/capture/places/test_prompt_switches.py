"""The switch interval is short for a moment, and afterwards what it was or what the program has set."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from instrumented_calc.capture.places.prompt_switches import INTERVAL_S, prompt_switches

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def usual() -> Iterator[float]:
    before = sys.getswitchinterval()
    yield before
    sys.setswitchinterval(before)


def test_the_interval_is_short_inside_and_what_it_was_afterwards(usual: float) -> None:
    with prompt_switches():
        assert sys.getswitchinterval() == pytest.approx(INTERVAL_S, rel=0.01)
    assert sys.getswitchinterval() == usual


def test_it_is_restored_after_an_error(usual: float) -> None:
    with pytest.raises(ZeroDivisionError), prompt_switches():
        1 / 0  # noqa: B018 - the error
    assert sys.getswitchinterval() == usual


def test_what_the_program_sets_meanwhile_is_kept() -> None:
    with prompt_switches():
        sys.setswitchinterval(0.02)
    assert sys.getswitchinterval() == pytest.approx(0.02)


def test_a_shorter_interval_of_the_programs_own_is_left_alone() -> None:
    sys.setswitchinterval(1e-5)
    with prompt_switches():
        assert sys.getswitchinterval() == pytest.approx(1e-5)
    assert sys.getswitchinterval() == pytest.approx(1e-5)


def test_a_program_that_restores_the_short_interval_does_not_keep_it(usual: float) -> None:
    with prompt_switches():
        saved = sys.getswitchinterval()
        sys.setswitchinterval(0.02)
    sys.setswitchinterval(saved)
    with prompt_switches():
        pass
    assert sys.getswitchinterval() == usual


def test_only_one_thread_at_a_time_shortens_it(usual: float) -> None:
    first, second = prompt_switches(), prompt_switches()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert sys.getswitchinterval() == usual
    second.__exit__(None, None, None)
    assert sys.getswitchinterval() == usual
