"""Where on the page the evidence of each finding is."""

from __future__ import annotations

# Panels and sections of the page by rule, the first one that the page has.
LATENCY = ("latency", "time")
TIME = ("time",)
CONTRACTIONS = ("contractions", "time")
MEMORY = ("memory", "memory-and-cpu")
STATE = ("state", "latency")
DEVICE = ("device", "trace-windows", "time")
EVIDENCE: dict[str, tuple[str, ...]] = {
    "non-finite": STATE,
    "exploded": STATE,
    "frozen": STATE,
    "stale": STATE,
    "energy-drift": ("state", "energy-conservation"),
    "temperature-off": STATE,
    "volume-change": STATE,
    "momentum-drift": STATE,
    "forces-not-gradient": STATE,
    "time-step-unit": STATE,
    "training-mode": ("environment",),
    "calls-failing": ("failures", *LATENCY),
    "debugging-aids": ("environment",),
    "warm-up": LATENCY,
    "latency-drift": LATENCY,
    "contention": LATENCY,
    "recompiling": ("latency", "compilation"),
    "gc-pauses": LATENCY,
    "periodic-calls": LATENCY,
    "unexplained-jitter": ("distribution", "latency"),
    "long-calls": ("slowest-calls", "latency"),
    "stall": LATENCY,
    "overhead-bound": TIME,
    "host-growth": MEMORY,
    "device-growth": MEMORY,
    "graph-retained": MEMORY,
    "fragmentation": MEMORY,
    "density-driven": MEMORY,
    "shape-cache-growth": MEMORY,
    "neighbour-list": ("parts", "time"),
    "time-outside": TIME,
    "contraction-dominated": CONTRACTIONS,
    "tiny-contraction-storm": CONTRACTIONS,
    "off-blas": CONTRACTIONS,
    "bad-path": CONTRACTIONS,
    "path-search": CONTRACTIONS,
    "conversion": ("conversions-and-copies", "time"),
    "oversubscription": ("environment",),
    "idle-cores": ("memory-and-cpu", "environment"),
    "processes-in-calls": TIME,
    "accelerator-idle": DEVICE,
    "shared-gpu": DEVICE,
    "throttling": DEVICE,
    "transfers": ("conversions-and-copies", "time"),
    "reduced-precision": ("environment",),
    "slow-double": ("environment",),
    "lost-edges": ("counts", "latency"),
    "unchanged-atoms": ("evaluations",),
    "evaluations-per-step": ("evaluations",),
    "numerical-forces": ("evaluations", "time"),
    "overflow-storm": ("counts", "latency"),
    "profiler-cost": TIME,
}


def evidence_of(rule: str, present: set[str]) -> str:
    """Return the panel or section of the page that shows the evidence of a rule.

    Args:
        rule: The rule.
        present: The panels and sections of the page.
    """
    return next((each for each in EVIDENCE.get(rule, ()) if each in present), "findings")
