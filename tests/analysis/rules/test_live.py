"""Findings reported during a run: a leak, a storm of compilations, too many busy threads; nothing else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from instrumented_calc.analysis.rules.live import judge_live
from instrumented_calc.journal.records import Environment, ThreadPool

SECOND = 10**9


class Sample(NamedTuple):
    call: int
    end_ns: int = 0
    cpu_ns: int | None = None
    rss_bytes: int | None = None
    device_bytes: int | None = None


def rules(samples=(), compiled=(), environment=None) -> list[str]:
    return [each.rule for each in judge_live(samples, compiled, environment or Environment())]


def growing(bytes_per_call: int, calls: int = 2000, every: int = 10) -> list[Sample]:
    noise = np.random.default_rng(0).integers(0, 50_000, calls // every)
    return [
        Sample(call, rss_bytes=10**8 + bytes_per_call * call // 4096 * 4096 + int(noise[place]))
        for place, call in enumerate(range(0, calls, every))
    ]


def test_a_leak_of_2_kb_a_step_is_reported_by_step_2000():
    (finding,) = judge_live(growing(2000), (), Environment())
    assert finding.rule == "host-growth"
    assert finding.numbers["kb_per_call"] == pytest.approx(2, rel=0.1)
    assert "kB per call" in finding.text


def test_device_memory_is_judged_as_well():
    samples = [Sample(each.call, device_bytes=each.rss_bytes) for each in growing(20_000)]
    assert rules(samples) == ["device-growth"]


@pytest.mark.parametrize("bytes_per_call", [0, -2000])
def test_steady_and_falling_memory_is_not_a_leak(bytes_per_call):
    assert rules(growing(bytes_per_call)) == []


def test_memory_that_levels_off_is_not_a_leak():
    samples = [
        Sample(call, rss_bytes=int(10**8 + 5e7 * (1 - np.exp(-call / 300)))) for call in range(0, 3000, 10)
    ]
    assert rules(samples) == []


def test_too_few_samples_are_not_enough_evidence():
    assert rules(growing(10**6, calls=100)) == []


def test_compilations_after_the_start_are_a_storm_from_three_on():
    assert rules(compiled=[0, 1, 5, 400, 800]) == []
    assert rules(compiled=[0, 1, 400, 800, 1200]) == ["recompiling"]


@pytest.mark.parametrize(
    ("threads", "busy", "expected"), [(64, 8.0, True), (64, 1.0, False), (8, 8.0, False), (9, 7.9, False)]
)
def test_many_threads_are_reported_only_where_they_keep_all_processors_busy(threads, busy, expected):
    environment = Environment(
        affinity=8, cpu_count=64, threads_effective=[ThreadPool("blas", "openblas", threads)]
    )
    samples = [Sample(n, n * SECOND, int(n * SECOND * busy)) for n in range(30)]
    assert rules(samples, environment=environment) == (["oversubscription"] if expected else [])
