"""The rule on debugging aids that were left on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from instrumented_calc.analysis.rules.finding import Rule, clear, flagged, unknown

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation
    from instrumented_calc.journal.reader import Journal


class Aid(NamedTuple):
    """What an aid does to a run, and how to switch it off."""

    effect: str
    off: str
    costs: bool = True


UNSET = "unset the variable"
SLOW_MEMORY = "checks or fills each block of memory"
WAITS = "waits for each kernel before the next one is launched"
NOT_COMPILED = "runs without compilation"
PRINTS = "prints what libraries do"
KNOWN = {
    "tracemalloc": Aid(
        "keeps the stack of each allocation", "remove tracemalloc.start and PYTHONTRACEMALLOC"
    ),
    "sys.settrace": Aid("runs at each line of Python", "run without the debugger, tracer or coverage"),
    "sys.setprofile": Aid("runs at each call of a function", "run without the profiler"),
    "sys.monitoring": Aid("runs at events of Python code", "run without the profiler, debugger or coverage"),
    "gc.set_debug": Aid("reports or keeps garbage in each collection", "call gc.set_debug(0)"),
    "gc.set_threshold": Aid("collects garbage very often", "remove gc.set_threshold"),
    "python -X dev": Aid(SLOW_MEMORY, "run without -X dev and PYTHONDEVMODE"),
    "debug build of Python": Aid("checks Python itself", "use a release build"),
    "PYTHONMALLOC": Aid(SLOW_MEMORY, UNSET),
    "MALLOC_CHECK_": Aid(SLOW_MEMORY, UNSET),
    "MALLOC_PERTURB_": Aid(SLOW_MEMORY, UNSET),
    "traced process": Aid("stops at system calls or signals", "run without strace, gdb or another tracer"),
    "torch.autograd.set_detect_anomaly": Aid(
        "keeps the stack of each operation and checks all gradients", "call set_detect_anomaly(False)"
    ),
    "torch.profiler": Aid("records each operation", "run without the profiler"),
    "TORCH_SHOW_DISPATCH_TRACE": Aid("prints each operation", UNSET),
    "TORCH_COMPILE_DEBUG": Aid("writes each compiled program", UNSET),
    "TORCH_COMPILE_DISABLE": Aid(NOT_COMPILED, UNSET),
    "TORCHDYNAMO_DISABLE": Aid(NOT_COMPILED, UNSET),
    "PYTORCH_JIT": Aid(NOT_COMPILED, UNSET),
    "PYTORCH_NO_CUDA_MEMORY_CACHING": Aid("allocates each tensor on the device anew", UNSET),
    "TORCH_DISTRIBUTED_DEBUG": Aid("checks each collective operation", UNSET),
    "NUMBA_DISABLE_JIT": Aid(NOT_COMPILED, UNSET),
    "NUMBA_DEBUG": Aid(PRINTS, UNSET),
    "NUMBA_BOUNDSCHECK": Aid("checks each index", UNSET),
    "CUDA_LAUNCH_BLOCKING": Aid(WAITS, UNSET),
    "HIP_LAUNCH_BLOCKING": Aid(WAITS, UNSET),
    "AMD_SERIALIZE_KERNEL": Aid(WAITS, UNSET),
    "jax_debug_nans": Aid("checks all results, and waits for each", "set jax_debug_nans to False"),
    "jax_debug_infs": Aid("checks all results, and waits for each", "set jax_debug_infs to False"),
    "jax_disable_jit": Aid(NOT_COMPILED, "set jax_disable_jit to False"),
    "jax_enable_checks": Aid("checks each operation", "set jax_enable_checks to False"),
    "jax_log_compiles": Aid(PRINTS, "set jax_log_compiles to False", costs=False),
    "XLA_FLAGS": Aid("writes each compiled program", "remove --xla_dump_to"),
    **{
        name: Aid(PRINTS, UNSET, costs=False)
        for name in ("TORCH_LOGS", "MKL_VERBOSE", "ONEDNN_VERBOSE", "DNNL_VERBOSE")
    },
}


def debugging_aids(evidence: Evidence) -> Observation:
    """An aid for finding errors was left on."""
    journal = evidence.summary.journal
    found = _recorded(journal)
    if found is None:
        return unknown("debugging aids were not recorded")
    number = evidence.summary.evaluations.calls
    if not found:
        return clear("no debugging aid is on", "settings at the start and the end", {}, number)
    known = {name: KNOWN.get(name, Aid("is on", "switch it off")) for name in found}
    # First what costs most: Python's own aids stand before those of libraries.
    name = next((name for name, aid in known.items() if aid.costs), next(iter(known)))
    others = [each for each in known if each != name]
    text = f"{_named(name, found[name])} is on: it {known[name].effect}"
    if others:
        text += f"; also {', '.join(_named(each, found[each]) for each in others)}"
    off = "; ".join(dict.fromkeys(_off(each, aid) for each, aid in known.items()))
    return flagged(
        f"{text}. All times of this run include it",
        numbers={"aids": ", ".join(known)},
        n=number,
        remedy=f"{off[0].upper()}{off[1:]}; then record again.",
        severity="cost" if known[name].costs else "info",
    )


def _recorded(journal: Journal) -> dict[str, str] | None:
    """Return the aids at the start and at the end; None if none of both was recorded."""
    at_start = journal.environment.debugging_aids
    end = journal.end
    at_end = end.debugging_aids if end is not None else None
    known = [each for each in (at_start, at_end) if isinstance(each, dict)]
    return {name: value for each in reversed(known) for name, value in each.items()} if known else None


def _named(name: str, value: str) -> str:
    return name if value == "on" else f"{name} ({value})"


def _off(name: str, aid: Aid) -> str:
    return f"unset {name}" if aid.off == UNSET else aid.off


RULES = (
    Rule(
        "debugging-aids",
        "info",
        "Switch it off, then record again.",
        "Without it, calls take less time, and results are the same.",
        debugging_aids,
    ),
)
