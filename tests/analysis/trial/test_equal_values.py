"""Values come before speed: energies and forces, call by call."""

import numpy as np
import pytest

from instrumented_calc.analysis.trial.equal_values import check_values
from instrumented_calc.analysis.trial.metered_run import MeteredRun

ENERGY_EV, FORCE_EV_A = 1e-6, 1e-5


def run(energies, forces=None, positions="same") -> MeteredRun:
    number = len(energies)
    return MeteredRun(
        starts_ns=np.arange(number + 1) * 1000,
        energies_ev=np.array(energies, float),
        sizes=np.full(number, 2),
        forces=forces or {},
        first_positions=positions,
    )


def check(as_is, changed):
    return check_values(as_is, changed, ENERGY_EV, FORCE_EV_A)


def test_equal_values_state_their_largest_difference():
    found = check([run([1, 2, 3])] * 2, run([1, 2 + 4e-7, 3]))
    assert (found.verdict, found.calls) == ("equal", 3)
    assert found.energy_ev == pytest.approx(2e-7)
    assert found.force_ev_a is None


@pytest.mark.parametrize("wrong", [3.001, float("nan")])
def test_a_late_difference_is_found(wrong):
    found = check([run([1, 2, 3])] * 2, run([1, 2, wrong]))
    assert (found.verdict, found.calls) == ("differ", 3)
    assert "call 2 differs by" in found.why


def test_forces_alone_may_differ():
    as_is = run([1, 2], {0: np.ones((2, 3))})
    assert check([as_is, as_is], run([1, 2], {0: np.ones((2, 3)) * 1.01})).verdict == "differ"
    assert check([as_is, as_is], run([1, 2], {0: np.ones((2, 3))})).verdict == "equal"
    assert check([as_is, as_is], run([1, 2], {0: np.ones((3, 3))})).verdict == "differ"


def test_large_forces_are_compared_relatively():
    as_is = run([1], {0: np.full((2, 3), 1000.0)})
    assert check([as_is, as_is], run([1], {0: np.full((2, 3), 1000.001)})).verdict == "equal"


def test_random_velocities_leave_the_first_geometry():
    found = check([run([1, 2]), run([1, 2.5])], run([1, 9]))
    assert (found.verdict, found.calls) == ("equal", 1)
    assert check([run([1, 2]), run([1, 2.5])], run([1.1, 9])).verdict == "differ"


def test_random_positions_cannot_be_checked():
    found = check([run([1]), run([1], positions="other")], run([1]))
    assert found.verdict == "not checked"
    assert "seeds" in found.why


def test_another_first_geometry_differs():
    assert check([run([1])] * 2, run([1], positions="other")).verdict == "differ"


def test_the_time_per_call_is_the_mean_after_the_warm_up():
    metered = MeteredRun(np.array([0, 1000, 1010, 1020, 1050]), np.zeros(4), np.ones(4, int))
    assert metered.per_call_ns == pytest.approx(50 / 3)
