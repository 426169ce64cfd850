"""Memory that is made up, watched during a run: leaks are reported in time, and hardly anything else is."""

from __future__ import annotations

import numpy as np
import pytest
from tests import memory_patterns as patterns
from tests.diagnosis.series import KINDS, reported_at


@pytest.fixture(scope="module")
def seed() -> int:
    found = int(np.random.SeedSequence().generate_state(1)[0])
    print(f"seed {found}")  # noqa: T201 - shown with a failure, to repeat it
    return found


def plain_leak(rng, at):
    """A leak of 2 kB per step after a start-up of a few calls."""
    return 2000 * at + 20e6 * -np.expm1(-at / 10)


@pytest.mark.slow
def test_almost_no_healthy_runs_are_reported_as_a_leak(seed):
    rng = np.random.default_rng(seed)
    reported = [reported_at(rng, pattern) for pattern in patterns.HEALTHY.values() for _ in range(25)]
    assert sum(each is not None for each in reported) <= 3 + 5  # 1 %, and three standard deviations


@pytest.mark.slow
def test_random_walks_are_rarely_reported_as_leaks(seed):
    rng = np.random.default_rng(seed)
    reported = [reported_at(rng, KINDS["random walk"]) for _ in range(100)]
    assert sum(each is not None for each in reported) <= 5 + 7


@pytest.mark.parametrize("kind", ["falling", "saturating", "one jump of 50 MB"])
def test_falling_or_saturating_memory_is_never_reported_as_a_leak(seed, kind):
    rng = np.random.default_rng(seed)
    assert {reported_at(rng, KINDS[kind]) for _ in range(40)} == {None}


def test_a_leak_of_2_kb_a_step_is_reported_by_step_2000(seed):
    rng = np.random.default_rng(seed)
    assert None not in [reported_at(rng, plain_leak) for _ in range(50)]
