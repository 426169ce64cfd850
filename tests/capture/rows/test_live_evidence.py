"""The evidence kept in memory during a run stays small and covers the whole run."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc.capture.rows.live_evidence import MOST_COMPILES, MOST_SAMPLES, LiveEvidence, Sample


@given(st.lists(st.integers(1, 400), min_size=1, max_size=4000))
def test_any_number_of_samples_is_thinned_evenly(gaps):
    evidence, index = LiveEvidence(), 0
    for gap in gaps:
        index += gap
        evidence.add(Sample(index, index, None, index, None))
    indices = [sample.call for sample in evidence.samples]
    assert len(indices) < MOST_SAMPLES
    assert indices == sorted(set(indices))
    distances = [late - early for early, late in pairwise(indices)]
    assert max(distances, default=0) <= 400 + 4 * max(index // MOST_SAMPLES, 400)


def test_a_million_samples_are_kept_from_first_to_last():
    evidence = LiveEvidence()
    for index in range(10**6):
        evidence.add(Sample(index, index, None, 1, None))
    indices = [sample.call for sample in evidence.samples]
    assert indices[0] == 0
    assert indices[-1] > 0.99 * 10**6
    distances = {late - early for early, late in pairwise(indices)}
    assert max(distances) <= 4 * min(distances)


def test_compiled_calls_are_noted_up_to_a_limit():
    evidence = LiveEvidence()
    for index in range(2 * MOST_COMPILES):
        evidence.compiles(index)
    assert evidence.compiled == list(range(MOST_COMPILES))
