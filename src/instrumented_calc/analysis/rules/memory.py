"""Rules on memory: leaks of the host and the device, density, caches of shapes, headroom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, unknown
from instrumented_calc.quantities import figures, percentage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from instrumented_calc.analysis.memory.growth import MemoryGrowth
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation, RuleFinding, Verdict

# R squared of memory against number of edges above which growth is physical and not a leak. Uncalibrated;
# such runs: ACEsuit/mace#174, #434.
FOLLOWS_DENSITY = 0.8
# Share of the limit in use above which rising density is reported as fatal. Uncalibrated.
FULL = 0.85
# Least share of all rises that coincide with something new, and least number of such rises. Uncalibrated; 18
# overflows of FeNNol with JAX took 380 MB, 7 MB per executable.
ARRIVED, FEWEST_ARRIVALS = 0.9, 5
# Below this, growth with new shapes is negligible. Uncalibrated.
WORTH_GROWTH = 10e6
# Reserved over allocated memory; ignored below 512 MB. Uncalibrated.
FRAGMENTED, WORTH_BYTES = 2.0, 512e6
# A relaxation takes at most some thousand steps: growth that reaches the limit later ends none.
LONGEST_RELAXATION = 10_000
LONGER = Need("calls", "calls in at least 10 s", 2000)

HOST_GROWTH = "host-growth"
RATE, LOW, HIGH = "kb_per_", "low_kb", "high_kb"  # names of its figures; the first ends with step or call


@dataclass(frozen=True, slots=True)
class HostGrowth:
    """The rate in a finding on the process's memory, with its 95 % interval, kB per step or call."""

    verdict: Verdict
    kb: float
    low_kb: float
    high_kb: float


def host_growth_of(findings: Iterable[RuleFinding], per: str) -> HostGrowth | None:
    """Return the growth of the process's memory that the rules found; None if they gave no rate.

    Args:
        findings: The findings of a run.
        per: Unit of the rate: per `step` or `call`.
    """
    for each in findings:
        rate = each.numbers.get(RATE + per)
        if each.rule == HOST_GROWTH and rate is not None and each.verdict != "not enough evidence":
            return HostGrowth(each.verdict, rate, each.numbers[LOW], each.numbers[HIGH])
    return None


def host_growth(evidence: Evidence) -> Observation:
    """The process's memory grows without levelling off."""
    found, memory = _growing(evidence.host, "host memory"), evidence.host
    phases = evidence.summary.phases
    relaxes = len(phases) == 1 and phases[0].phase.kind == "optimizer"
    if found.flagged and relaxes and memory is not None and (memory.left or 0.0) > LONGEST_RELAXATION:
        remedy = "Nothing to fix: a relaxation ends long before. Some optimizers (GPMin) keep all steps."
        return replace(found, severity="info", remedy=remedy)
    return found


def device_growth(evidence: Evidence) -> Observation:
    """The device's memory grows without levelling off."""
    if evidence.device is None and evidence.on_gpu is False:
        return clear("no device in use", evidence.all_calls)
    return _growing(evidence.device, "device memory")


def _growing(memory: MemoryGrowth | None, what: str) -> Observation:
    if memory is None:
        return unknown(f"{what} was not sampled", LONGER)
    growth = memory.growth
    numbers, sampled = _numbers(memory), _sampled(memory)
    if growth.verdict == "not enough evidence":
        return unknown(f"{what}: {growth.reason}", LONGER, numbers=numbers, n=growth.samples)
    slope = growth.slope
    if growth.verdict == "clear" or slope is None:
        rate = "" if slope is None else f", {_rate(memory)}"
        return clear(f"{what}: {growth.reason}{rate}", sampled, numbers, growth.samples)
    edges = _density(memory)
    if edges is not None:
        return clear(f"{what} follows {edges}: see density-driven", sampled, numbers, growth.samples)
    text = f"{what} grows by {_rate(memory)}: {figures(slope.value)} MB per million {memory.per}s"
    if memory.left is not None:
        text += f"; the limit is {figures(memory.left)} {memory.per}s away"
    return flagged(text, numbers=numbers, n=growth.samples)


def _sampled(memory: MemoryGrowth) -> str:
    return f"{memory.growth.samples:,} samples"


def _rate(memory: MemoryGrowth) -> str:
    slope = memory.growth.slope
    if slope is None:
        return "rate unknown"
    rate, low, high = (figures(each / 1e3, signed=True) for each in (slope.value, slope.low, slope.high))
    return f"{rate} kB/{memory.per} [{low}, {high}]"


def _numbers(memory: MemoryGrowth) -> dict[str, Any]:
    growth, slope = memory.growth, memory.growth.slope
    return {
        RATE + memory.per: None if slope is None else slope.value / 1e3,
        LOW: None if slope is None else slope.low / 1e3,
        HIGH: None if slope is None else slope.high / 1e3,
        "grown_mb": growth.grown / 1e6,
        "seen_from_kb": None if growth.seen_from is None else growth.seen_from / 1e3,
        "peak_mb": memory.peak_bytes / 1e6,
        "limit_mb": None if memory.limit_bytes is None else memory.limit_bytes / 1e6,
        f"{memory.per}s_to_the_limit": memory.left,
        **{f"r2_{name}": share for name, share in memory.follows.items()},
        **{f"rises_with_new_{name}": share for name, share in memory.arrivals.items()},
        "sampled": memory.source.removesuffix("_bytes").replace("_", " "),
        "trace_window_taken_out": str(memory.rebased).lower(),
    }


def _density(memory: MemoryGrowth) -> str | None:
    """Return the edge count that the memory follows, if any."""
    found = {name: share for name, share in memory.follows.items() if name != "n_atoms"}
    name = max(found, key=lambda each: found[each], default=None)
    return name if name is not None and found[name] > FOLLOWS_DENSITY else None


def density_driven(evidence: Evidence) -> Observation:
    """Memory follows the number of edges; this is physical, but may still end the run."""
    known = [each for each in (evidence.device, evidence.host) if each is not None]
    counted = [each for each in known if set(each.follows) - {"n_atoms"}]
    if not counted:
        return unknown("edges are not counted, or do not vary", Need("integration", "the number of edges"))
    for memory in counted:
        name = _density(memory)
        if name is None or not memory.limit_bytes:
            continue
        used = memory.peak_bytes / memory.limit_bytes
        numbers = {**_numbers(memory), "share_of_limit": used}
        rising = memory.growth.slope is not None and memory.growth.slope.low > 0
        if used > FULL and rising:
            text = f"memory follows {name} and has reached {percentage(used)} of its limit"
            return flagged(text, numbers=numbers, n=memory.growth.samples)
        text = f"memory follows {name}, at {percentage(used)} of its limit at most"
        return clear(text, _sampled(memory), numbers, memory.growth.samples)
    samples = counted[0].growth.samples
    return clear("memory does not follow the number of edges", _sampled(counted[0]), {}, samples)


def shape_cache_growth(evidence: Evidence) -> Observation:
    """Every new shape leaves something in memory, such as a compiled program."""
    memory = evidence.device if evidence.device is not None else evidence.host
    if memory is None:
        return unknown("memory was not sampled", LONGER)
    sampled = _sampled(memory)
    if not memory.events:
        return clear("memory does not rise", sampled, {}, memory.growth.samples)
    numbers = _numbers(memory)
    name = _arrival(memory)
    levelled = memory.growth.verdict == "clear" and memory.growth.grown <= 0
    if name is None or levelled:
        return clear("memory does not rise with new shapes", sampled, numbers, memory.growth.samples)
    if memory.growth.grown < WORTH_GROWTH:
        text = f"new {name} took less than {WORTH_GROWTH / 1e6:g} MB"
        return clear(text, sampled, numbers, memory.growth.samples)
    share, grown = memory.arrivals[name], memory.growth.grown / 1e6
    text = f"{percentage(share)} of {figures(grown)} MB came with {memory.events[name]} new {name}"
    remedy = "Pad to a few sizes. For oneDNN on the CPU, set LRU_CACHE_CAPACITY."
    if evidence.uses_jax:
        remedy = "Raise the capacity or pad to a few sizes; jax.clear_caches() frees little."
    return flagged(text, numbers=numbers, n=memory.growth.samples, remedy=remedy)


def comes_with_something_new(memory: MemoryGrowth) -> bool:
    """Return whether nearly all rises of memory coincide with new shapes or compilations.

    Args:
        memory: The growth.
    """
    return _arrival(memory) is not None


def _arrival(memory: MemoryGrowth) -> str | None:
    """Return the kind of event that coincides with nearly all rises, compilations before shapes."""
    for name in ("compilations", "shapes"):
        many = memory.events.get(name, 0) >= FEWEST_ARRIVALS
        # If something is new between all samples, it coincides with everything.
        rare = memory.events.get(name, 0) < memory.growth.samples / 2
        if many and rare and memory.arrivals.get(name, 0.0) > ARRIVED:
            return name
    return None


def graph_retained(evidence: Evidence) -> Observation:
    """Results still hold the autograd graph of their calculation."""
    states = evidence.summary.journal.states
    held = [each for each in states if isinstance(each.graph_retained, list) and each.graph_retained]
    # The environment was read at the start: a model may have loaded torch since.
    looked = f"results of {len(states):,} calls"
    loaded = isinstance(evidence.environment.torch, dict) or not isinstance(evidence.environment.python, str)
    if not held and not loaded:
        text = "torch was not loaded at the start, and no result carries a graph"
        return clear(text, looked, n=len(states))
    if not states:
        return unknown("results were not inspected", LONGER)
    if not held:
        return clear("no result carries a graph", looked, n=len(states))
    names = sorted({name for each in held for name in each.graph_retained or ()})
    known = [each for each in (evidence.device, evidence.host) if each is not None]
    grows = any(each.growth.verdict == "flagged" for each in known)
    text = f"{', '.join(names)} carry the graph of their calculation"
    text += ", and memory grows" if grows else ""
    numbers = {"results": ", ".join(names), "samples": len(held)}
    return flagged(text, numbers=numbers, n=len(states), severity="wrong" if grows else "info")


def fragmentation(evidence: Evidence) -> Observation:
    """The device's allocator reserves far more than is in use."""
    # Memory held after calls says nothing here: the allocator keeps what it gave out during calls.
    peak, reserved = evidence.summary.device_peak, evidence.summary.device_reserved
    if peak is None or reserved is None:
        if evidence.on_gpu is False:
            return clear("no device in use", evidence.all_calls)
        missing = "the peak of device memory was not sampled"
        return unknown(missing, Need("integration", "the device of the model"))
    ratio = reserved.peak_bytes / max(peak.peak_bytes, 1)
    numbers = {
        "reserved_over_allocated": ratio,
        "reserved_mb": reserved.peak_bytes / 1e6,
        "allocated_mb": peak.peak_bytes / 1e6,
    }
    text = f"{figures(ratio)} times as much memory reserved as was ever allocated"
    if ratio <= FRAGMENTED or reserved.peak_bytes < WORTH_BYTES:
        return clear(text, f"{reserved.samples:,} samples", numbers, reserved.samples)
    return flagged(text, numbers=numbers, n=reserved.samples, severity="info")


RULES = (
    Rule(
        HOST_GROWTH,
        "wrong",
        "Look for objects kept from step to step: frames in a list, results with their graph, open files.",
        "Run twice as long: the growth doubles. tracemalloc shows Python's own part of it.",
        host_growth,
    ),
    Rule(
        "device-growth",
        "wrong",
        "Look for tensors kept from step to step; detach() stored ones, which hold their graph.",
        "Run twice as long: the growth doubles.",
        device_growth,
    ),
    Rule(
        "graph-retained",
        "wrong",
        "Call detach() on the model's outputs.",
        "results[...].grad_fn is None, and memory no longer grows.",
        graph_retained,
        trial="detached-results",
    ),
    Rule(
        "fragmentation",
        "cost",
        "Set PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True, or pad to a few sizes.",
        "Compare peak memory after the change.",
        fragmentation,
        trial="expandable-segments",
    ),
    Rule(
        "density-driven",
        "wrong",
        "Use a smaller batch or cell or fewer neighbours, and monitor the number of edges.",
        "Memory per edge is constant.",
        density_driven,
    ),
    Rule(
        "shape-cache-growth",
        "cost",
        "Pad to a few sizes.",
        "With constant shapes memory stays constant.",
        shape_cache_growth,
    ),
)
