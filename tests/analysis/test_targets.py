"""Users' targets."""

from __future__ import annotations

import pytest

from instrumented_calc.analysis.targets import check_target, parse_target
from instrumented_calc.errors import TargetError
from instrumented_calc.journal.records import Call


@pytest.fixture
def measured(summarized):
    return summarized(*(Call(index=n, start_ns=10**7 * n, wall_ns=4 * 10**6) for n in range(9)))


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("p95/mean<2", "passed"),
        ("p95/mean < 100%", "missed"),
        ("median<5ms", "passed"),
        ("max<=4000us", "passed"),
        ("p99.9 > 1s", "missed"),
        ("cv<20%", "passed"),
        ("failed==0", "passed"),
        ("calls>=10", "missed"),
        ("ns_per_day>1", "not enough evidence"),
        ("us_per_atom<10", "not enough evidence"),
        ("us/atom<1,163", "not enough evidence"),
        ("ns/day>5", "not enough evidence"),
        ("katom-step/s > 1", "not enough evidence"),
        ("calculations per step <= 2", "not enough evidence"),
        ("calls/step<=2", "not enough evidence"),
        ("Calculations >= 9", "passed"),
        ("CV < 20 %", "passed"),
        ("median < 4,001 \N{MICRO SIGN}s", "passed"),
    ],
)
def test_a_target_gets_its_verdict(measured, text, verdict):
    assert check_target(parse_target(text), measured).verdict == verdict


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p96/mean<2", "did you mean p9"),
        ("ns/dy>5", "did you mean ns/day?"),
        ("ms_per_stp<5", "did you mean ms_per_step?"),
        ("xyz<5", "for example mean, median"),
        ("medain<5ms", "did you mean median"),
        ("median<5", "add its unit"),
        ("calls>5ms", "has no unit; remove 'ms'"),
        ("cv/mean<2", "unknown quantity 'cv'"),
        ("__import__('os')", "cannot read"),
        ("", "cannot read"),
    ],
)
def test_an_unreadable_target_says_what_can_be_read(text, expected):
    with pytest.raises(TargetError) as caught:
        parse_target(text)
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 190
    assert "\n" not in str(caught.value)
