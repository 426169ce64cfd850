"""The share of the time in which a thread waited for a processor."""

import pytest

from instrumented_calc.analysis.timing.processor_wait import processor_wait
from instrumented_calc.journal.records import Machine

SECOND = 10**9


def readings(*pairs):
    return [Machine(time_ns=time, processor_wait_ns=wait) for time, wait in pairs]


def test_the_share_is_that_between_the_first_and_the_last_reading():
    machines = [*readings((0, SECOND), (5 * SECOND, 3 * SECOND)), Machine(time_ns=7 * SECOND)]
    assert processor_wait(machines) == pytest.approx(0.4)


@pytest.mark.parametrize(
    "machines",
    [
        [],
        [Machine(time_ns=5)],
        readings((0, 5)),
        readings((0, 5), (0, 6)),
        readings((0, 5 * SECOND), (SECOND, SECOND)),  # another thread
    ],
)
def test_without_two_readings_it_is_not_known(machines):
    assert processor_wait(machines) is None
