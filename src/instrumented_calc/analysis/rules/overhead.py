"""The rule on fixed overhead: a flat size sweep, or a device that waits for launches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, unknown
from instrumented_calc.analysis.statistics.line import fit_line
from instrumented_calc.analysis.timing.latency import median_ns
from instrumented_calc.quantities import amount, percentage

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# Exponent of latency over size, and the number and span of sizes required. Uncalibrated; a flat curve from
# 54 to 2662 atoms is fixed overhead (ACEsuit/mace#1708).
FLAT_EXPONENT, FEWEST_SIZES, LEAST_SPAN = 0.2, 3, 4.0
# A device that is busy for less than this share of a call despite this many launches. A launch alone costs
# the host 2.7 to 7 us (ahrefs/ocannl#488), with PyTorch's part 20 to 60 us: 300 launches of a network of 40
# small layers took 15 ms, of which an H200 was busy for 4 %.
DEVICE_BUSY, MANY_LAUNCHES = 0.4, 100
ON_HOST = "Compute several structures in one call, if the calculator can."


def overhead_bound(evidence: Evidence) -> Observation:
    """Calls are mostly fixed overhead, judged by the device's busy time or by the growth with size."""
    windows, sweep = _launches(evidence), _sweep(evidence)
    if windows is None or sweep.verdict == "flagged":
        return sweep
    return windows if windows.verdict == "flagged" or sweep.verdict != "clear" else sweep


def _launches(evidence: Evidence) -> Observation | None:
    """Judge by the trace windows with device times; None if there are none."""
    windows = [
        each
        for each in (evidence.traces.windows if evidence.traces else ())
        if isinstance(each.launches, int) and isinstance(each.device_busy_ns, int) and each.calls
    ]
    calls = sum(each.calls for each in windows)
    wall = sum(each.wall_ns for each in windows)
    if not calls or not wall:
        return None
    launches = sum(each.launches or 0 for each in windows) / calls
    busy_ns = sum(each.device_busy_ns or 0 for each in windows) / calls
    # A tracer lengthens calls on the host, but not the work on the device.
    latency = evidence.summary.latency
    usual = min(wall / calls, latency.median_ns if latency is not None else wall / calls)
    busy = min(busy_ns / usual, 1.0)
    numbers = {"device_busy_share": busy, "launches_per_call": launches, "device_busy_ms": busy_ns / 1e6}
    text = f"the device is busy for {percentage(busy)} of a call, with {launches:,.0f} kernels and copies"
    if busy >= DEVICE_BUSY or launches <= MANY_LAUNCHES:
        return clear(text, f"{calls:,} traced calls", numbers, calls)
    return flagged(text, numbers=numbers, n=calls, saving_ns=(1 - busy) * evidence.calculator_ns)


def _sweep(evidence: Evidence) -> Observation:
    """Judge by the system sizes in the run: larger ones should take longer."""
    calls, rows = evidence.calls, evidence.steady
    atoms, times = [], []
    # Medians of a million calls take 10 ms each: skip them if there are too few sizes.
    for number in evidence.sizes if len(evidence.sizes) >= FEWEST_SIZES else ():
        ours = rows[calls.n_atoms[rows] == number]
        if number > 0 and len(ours) >= FEWEST_FOR_MEDIAN:
            atoms.append(float(number))
            times.append(median_ns(calls.wall_ns[ours]))
    line = fit_line(np.log(atoms), np.log(times)) if len(atoms) >= FEWEST_SIZES else None
    if line is None or atoms[-1] < LEAST_SPAN * atoms[0]:
        return unknown(
            "one size only, and no trace of a device",
            Need("command", "instrumented-calc scale"),
            numbers={"sizes": len(evidence.sizes)},
        )
    exponent = line.slope
    numbers = {"exponent": exponent, "sizes": len(atoms), "smallest": atoms[0], "largest": atoms[-1]}
    text = f"time grows as atoms^{exponent:.2f} from {amount(atoms[0])} to {amount(atoms[-1])} atoms"
    if exponent >= FLAT_EXPONENT:
        return clear(text, evidence.part_of_calls(len(rows)), numbers, len(rows))
    return flagged(text, numbers=numbers, n=len(rows), remedy=None if evidence.on_gpu else ON_HOST)


RULES = (
    Rule(
        "overhead-bound",
        "cost",
        "Compute several structures in one call; CUDA graphs or torch.compile(mode='reduce-overhead'); "
        "or run tiny systems on the CPU.",
        "A call on a system four times as large takes about as long.",
        overhead_bound,
    ),
)
