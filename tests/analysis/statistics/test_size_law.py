"""The law of size on costs whose truth is known: its value, its interval, and when it does not hold."""

from __future__ import annotations

import numpy as np
import pytest

from instrumented_calc.analysis.statistics.size_law import fit_size_law

ATOMS = np.repeat(np.array([32.0, 108.0, 256.0, 500.0]), 3)
LAWS = {
    "linear": lambda n: 1.0 * n,
    "a fixed part": lambda n: 300 + n,
    "all but flat": lambda n: 1e5 + n,
    "cubic": lambda n: 1e4 + 1e-2 * n**3,
}


def costs(law, scatter, rng, atoms=ATOMS):
    return law(atoms) * np.exp(scatter * rng.normal(size=len(atoms)))


@pytest.mark.parametrize("name", LAWS)
def test_an_exact_law_is_found_and_carried_on(name):
    found = fit_size_law(ATOMS, LAWS[name](ATOMS)).predict(2000)
    assert found.value == pytest.approx(LAWS[name](2000.0), rel=1e-6)
    assert found.low < found.value < found.high  # no run repeats another exactly


def test_the_largest_size_within_a_limit_is_the_inverse_of_the_law():
    law = fit_size_law(ATOMS, 1e8 + 1e4 * ATOMS)
    found = law.largest(1e9)
    assert found.value == pytest.approx(90_000, rel=1e-6)
    assert law.at(found.value) == pytest.approx(1e9)


def test_a_limit_below_the_fixed_part_holds_nothing_and_a_flat_cost_has_no_largest_size():
    assert fit_size_law(ATOMS, 1e8 + 1e4 * ATOMS).largest(5e7).value == 0
    flat = costs(lambda n: 1e8 + 0 * n, 0.01, np.random.default_rng(1))
    assert fit_size_law(ATOMS, flat).largest(1e9) is None


def times_held(law, scatter, draws):
    """Return how often the interval of a size ten times the largest held a further run."""
    rng, held = np.random.default_rng(2), 0
    for _ in range(draws):
        found = fit_size_law(ATOMS, costs(law, scatter, rng)).predict(5000)
        held += found.low <= costs(law, scatter, rng, np.array([5000.0]))[0] <= found.high
    return held


@pytest.mark.parametrize("name", LAWS)
def test_the_interval_of_an_extrapolated_run_holds_it(name):
    assert times_held(LAWS[name], 0.05, 20) >= 16  # of 19 expected: three standard deviations


@pytest.mark.slow
@pytest.mark.parametrize("scatter", [0.02, 0.15])
@pytest.mark.parametrize("name", LAWS)
def test_intervals_of_extrapolated_runs_hold_as_often_as_they_say(name, scatter):
    assert times_held(LAWS[name], scatter, 100) >= 88  # of 95 expected: three standard deviations


@pytest.mark.slow
def test_a_law_moved_to_a_further_run_keeps_its_coverage():
    rng, held = np.random.default_rng(3), {"through": 0, "above": 0}
    for _ in range(60):
        law = fit_size_law(ATOMS, costs(lambda n: 300 + n, 0.03, rng))
        own = costs(lambda n: 3 * (300 + n), 0.03, rng, np.array([200.0, 1000.0]))
        found = law.through(200, own[0]).predict(1000)
        held["through"] += found.low <= own[1] <= found.high
        own = costs(lambda n: 500 + 300 + n, 0.03, rng, np.array([200.0, 1000.0]))
        found = law.above(200, own[0]).predict(1000)
        held["above"] += found.low <= own[1] <= found.high
    assert min(held.values()) >= 52, held


def test_sizes_that_follow_no_such_law_are_told_from_scatter():
    rng = np.random.default_rng(4)
    stepped = [fit_size_law(ATOMS, costs(lambda n: n * (1 + (n > 200)), 0.03, rng)) for _ in range(20)]
    assert sum(each.misfit < 0.001 for each in stepped) >= 18
    fair = [fit_size_law(ATOMS, costs(lambda n: 300 + n, 0.03, rng)) for _ in range(20)]
    assert sum(each.misfit < 0.001 for each in fair) <= 1


@pytest.mark.parametrize(("sizes", "replicates"), [((32, 500), 6), ((32, 108, 256), 1)])
def test_too_few_sizes_or_runs_give_no_law(sizes, replicates):
    atoms = np.repeat(np.array(sizes, np.float64), replicates)
    assert fit_size_law(atoms, atoms) is None


def test_without_replicates_a_misfit_is_not_judged():
    atoms = np.array([32.0, 64.0, 128.0, 256.0])
    assert fit_size_law(atoms, atoms).misfit is None


def test_runs_that_do_not_belong_together_give_a_law_that_says_nothing_without_warnings():
    law = fit_size_law(np.array([4.0, 8.0, 16.0, 4.0]), np.array([1e-6, 1e3, 1e-3, 1e3]))
    assert law.scatter > 1
