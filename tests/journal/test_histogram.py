"""The buckets of a slice's histogram: every duration is in one, known to +-1.6 %."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.journal.buckets import bucket_of

from instrumented_calc.journal.records import HISTOGRAM_BITS, bucket_bounds

durations = st.integers(0, 2**63 - 1)
buckets = st.integers(0, 59 << HISTOGRAM_BITS)


@given(durations)
def test_a_duration_is_in_the_bounds_of_its_bucket(duration: int) -> None:
    first, beyond = bucket_bounds(bucket_of(duration))
    assert first <= duration < beyond


@given(durations)
def test_the_width_of_a_bucket_is_at_most_a_32nd_of_its_durations(duration: int) -> None:
    first, beyond = bucket_bounds(bucket_of(duration))
    assert beyond - first == 1 or (beyond - first) * 2**HISTOGRAM_BITS <= first


@given(buckets)
def test_buckets_follow_each_other_without_a_gap(bucket: int) -> None:
    first, beyond = bucket_bounds(bucket)
    assert bucket_bounds(bucket + 1)[0] == beyond
    assert bucket_of(first) == bucket_of(beyond - 1) == bucket
    assert bucket_of(beyond) == bucket + 1


@given(durations, durations)
def test_longer_durations_are_in_no_lower_bucket(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert bucket_of(low) <= bucket_of(high)


def test_short_durations_are_exact() -> None:
    assert [bucket_of(duration) for duration in range(64)] == list(range(64))


def test_the_meaning_that_the_schema_gives_is_the_one_that_is_computed() -> None:
    for duration in (0, 63, 64, 65, 1_000, 123_456_789, 2**62 + 12345):
        k = duration.bit_length()
        meant = duration if duration < 64 else 32 * (k - 6) + (duration >> (k - 6))
        assert bucket_of(duration) == meant
