"""How often the growth test is right, on fresh random memory patterns.

python tests/benchmarks/drift_rates.py [--draws 300] [--seed N]
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests import memory_patterns as patterns

from instrumented_calc.analysis.statistics.growth import judge_growth

if TYPE_CHECKING:
    from tests.memory_patterns import Pattern

LENGTHS = (500, 2000, 5000, 20_000)
QUANTA = {"4 kB": 4096, "64 kB": 65_536, "256 kB": 262_144, "1 MB": 2**20}


def rates(seed: int, draws: int, steps: int, pattern: Pattern) -> Counter[str]:
    """Count the verdicts on draws of one pattern."""
    rng = np.random.default_rng(seed)
    series = (patterns.sampled(rng, steps, pattern) for _ in range(draws))
    return Counter(judge_growth(at, values).verdict for at, values in series)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--seed", type=int, default=np.random.SeedSequence().entropy % 2**32)
    asked = parser.parse_args()
    print(f"seed {asked.seed}, {asked.draws} draws each; % flagged / clear / not enough evidence")
    cases = [(name, pattern, steps) for name, pattern in patterns.HEALTHY.items() for steps in LENGTHS]
    cases += [("random walk", patterns.random_walk, steps) for steps in LENGTHS]
    for name, quantum in QUANTA.items():
        cases += [(f"LEAK 2 kB/step by {name}", patterns.leak(2000, quantum), steps) for steps in LENGTHS[:3]]
        cases.append((f"LEAK 10 kB/step by {name}", patterns.leak(10_000, quantum), 500))
    cases += [("LEAK in bursts", patterns.uneven_leak(2000), steps) for steps in LENGTHS]
    cases += [("LEAK under a sawtooth", patterns.leak_under_sawtooth(2000), steps) for steps in LENGTHS]
    healthy: Counter[str] = Counter()
    for place, (name, pattern, steps) in enumerate(cases):
        seen = rates(asked.seed + place, asked.draws, steps, pattern)
        if name in patterns.HEALTHY:
            healthy.update(seen)
        words = "  ".join(
            f"{100 * seen[verdict] / asked.draws:6.1f}"
            for verdict in ("flagged", "clear", "not enough evidence")
        )
        print(f"{name:28}{steps:8,}  {words}")
    print(f"healthy in all: {100 * healthy['flagged'] / healthy.total():.2f} % flagged")


if __name__ == "__main__":
    main()
