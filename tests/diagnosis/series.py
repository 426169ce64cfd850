"""How often the growth test is wrong on memory that is made up, at a run's end and during the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tests import memory_patterns as patterns

from instrumented_calc.analysis.rules.live import judge_live
from instrumented_calc.analysis.statistics.growth import judge_growth
from instrumented_calc.capture.rows.live_evidence import LiveEvidence, Sample
from instrumented_calc.capture.run.housekeeping import FINDINGS_EVERY_NS, RAREST_FINDINGS_NS
from instrumented_calc.journal.records import Environment

if TYPE_CHECKING:
    from tests.memory_patterns import Pattern

LENGTHS = (500, 2000, 10_000)
LIVE_STEPS = 2000
LIVE_STEP_NS = 7_000_000
KINDS = {**patterns.HEALTHY, "random walk": patterns.random_walk}


def rates_of_healthy(seed: int, draws: int) -> dict[str, float]:
    """Return which share of each healthy pattern is flagged at the end of a run."""
    rng = np.random.default_rng(seed)
    return {
        name: np.mean(
            [
                judge_growth(*patterns.sampled(rng, steps, pattern)).verdict == "flagged"
                for steps in LENGTHS
                for _ in range(draws)
            ]
        )
        for name, pattern in KINDS.items()
    }


def rates_of_live(seed: int, draws: int) -> dict[str, float]:
    """Return which share of each healthy pattern is ever reported as a leak in the course of a run."""
    rng = np.random.default_rng(seed)
    return {
        name: np.mean([reported_at(rng, pattern) is not None for _ in range(draws)])
        for name, pattern in KINDS.items()
    }


def reported_at(rng: np.random.Generator, pattern: Pattern, steps: int = LIVE_STEPS) -> int | None:
    """Return the call at which a run's memory is reported as a leak, or None.

    It is tested as often as in a run with steps of 7 ms.

    Args:
        rng: Source of all randomness.
        pattern: Pattern of the memory.
        steps: Length of the run.
    """
    at = np.arange(0, steps, 2, dtype=np.float64)
    values = 1e8 + pattern(rng, at) + patterns.jitter(rng, len(at))
    values = np.floor(values / patterns.PAGE) * patterns.PAGE
    evidence, look = LiveEvidence(), FINDINGS_EVERY_NS
    for call, value in zip(at.astype(int).tolist(), values.astype(int).tolist(), strict=True):
        now = call * LIVE_STEP_NS
        if now >= look:
            look = now + min(max(now // 10, FINDINGS_EVERY_NS), RAREST_FINDINGS_NS)
            reported = judge_live(evidence.samples, evidence.compiled, Environment())
            if any(each.rule == "host-growth" for each in reported):
                return call
        evidence.add(Sample(call, now, None, value, None))
    return None
