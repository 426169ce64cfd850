"""Rules on devices: idle, shared or overheated ones, and copies to and from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from msgspec import UNSET

from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN, FEWEST_FOR_TAIL
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, unknown
from instrumented_calc.quantities import figures, percentage

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation
    from instrumented_calc.journal.records import Conversion, Gpu

# Other processes in a tenth of the samples; throttled in a fifth, to 85 % of the clock, with calls 5 %
# slower. Uncalibrated; 1965 to 1580 MHz cost 15 % (flashinfer-ai/flashinfer#2899).
SHARED_SAMPLES = 0.1
SLOWED_SAMPLES, SLOWED_CLOCK, SLOWED_CALLS, FEWEST_CLOCKS = 0.2, 0.85, 0.05, 10
# Utilisation of an idle device, over 30 s. Uncalibrated.
IDLE_PERCENT, IDLE_NS = 5, 30e9
# Copies and waits per call, or copies' share of the calls. Uncalibrated; three round trips per step cut
# LAMMPS's speed to 0.36 (deepmodeling/deepmd-kit#5574). The share counts only beyond the copies that every
# call needs (positions, cell, species; energy, forces, stress): the first one back waits for all kernels,
# and its time is theirs.
SYNCS_A_CALL, COPYING_SHARE, NEEDED_COPIES = 20, 0.1, 6
NVML = Need("install", "instrumented-calc[gpu]")
TRANSFERS = {"host to device", "device to host", "sync"}
# The runtime's function in which the host waits. Indexing with a mask, nonzero() and the like wait inside
# torch, where only the profiler sees it, in trace windows.
WAIT = "cudaStreamSynchronize"


def accelerator_idle(evidence: Evidence) -> Observation:
    """There is an accelerator, but the model does not run on it."""
    torch = evidence.environment.torch
    state = torch if isinstance(torch, dict) else {}
    names = ", ".join(map(str, state.get("devices") or ())) or state.get("unused_devices")
    if evidence.on_gpu:
        return _device_used(evidence)
    if evidence.on_gpu is None:
        return unknown(
            "it is unknown which device the model runs on", Need("integration", "the device of the model")
        )
    if names:
        return flagged(
            f"the model runs on the CPU, although this machine has {names}", numbers={"devices": names}
        )
    if isinstance(torch, dict):
        return unknown("CUDA was not started, and the driver names no device")
    return clear("no loaded library could use an accelerator", "libraries loaded at the start")


def _device_used(evidence: Evidence) -> Observation:
    """Judge a device that the model runs on."""
    use, machines = evidence.summary.device, evidence.summary.journal.machines
    busy = [gpu.utilization_percent for gpu in _gpus(evidence) if isinstance(gpu.utilization_percent, int)]
    if busy and machines[-1].time_ns - machines[0].time_ns > IDLE_NS:
        numbers = {"utilization_percent": max(busy)}
        text = f"the device was at most {max(busy)} % busy"
        if max(busy) < IDLE_PERCENT:
            return flagged(text, numbers=numbers, n=len(busy), severity="cost")
        return clear(text, f"{len(busy):,} samples", numbers, len(busy))
    if use is None or use.calls < FEWEST_FOR_MEDIAN:
        return unknown("the utilisation of the device is not recorded", NVML)
    text = f"the model runs on the device, {figures(sum(use.stream_ns.values()) / 1e9)} s in its stream"
    return clear(text, evidence.part_of_calls(use.calls), {}, use.calls)


def shared_gpu(evidence: Evidence) -> Observation:
    """Other processes use the GPU, so figures are not comparable."""
    if evidence.on_gpu is False:
        return clear("no GPU in use", evidence.all_calls)
    gpus = _gpus(evidence)
    counted = [each.other_processes for each in gpus if isinstance(each.other_processes, int)]
    if not counted:
        return unknown("other processes on the device are not recorded (containers hide them)", NVML)
    share = sum(1 for number in counted if number) / len(counted)
    numbers = {"share_of_samples": share, "most": max(counted)}
    text = f"other processes used the GPU in {percentage(share)} of {len(counted)} samples"
    if share < SHARED_SAMPLES:
        return clear(text, f"{len(counted):,} samples", numbers, len(counted))
    return flagged(f"{text}: not comparable", numbers=numbers, n=len(counted))


def throttling(evidence: Evidence) -> Observation:
    """The device is throttled by temperature or by its power limit."""
    if evidence.on_gpu is False:
        return clear("no GPU in use", evidence.all_calls)
    gpus = [
        each for each in _gpus(evidence) if isinstance(each.sm_clock_mhz, int) and each.slowed_by is not UNSET
    ]
    if len(gpus) < FEWEST_CLOCKS:
        return unknown("the device's clocks are not recorded", NVML, n=len(gpus))
    clocks = np.array([each.sm_clock_mhz for each in gpus], np.float64)
    fifth = max(len(clocks) // 5, 1)
    clock = float(np.quantile(clocks[-fifth:], 0.5) / max(np.quantile(clocks[:fifth], 0.5), 1))
    slowed = [each for each in gpus if isinstance(each.slowed_by, list) and each.slowed_by]
    rows = evidence.steady
    later = 0.0
    if len(rows) >= FEWEST_FOR_TAIL:
        wall = evidence.calls.wall_ns[rows]
        part = len(rows) // 5
        later = float(np.quantile(wall[-part:], 0.5) / np.quantile(wall[:part], 0.5)) - 1
    reasons = ", ".join(sorted({reason for each in slowed for reason in each.slowed_by or ()}))
    share = len(slowed) / len(gpus)
    numbers = {"share_of_samples": share, "clock": clock, "latency": later, "reasons": reasons}
    text = f"the GPU was throttled in {percentage(share)} of the samples; its clock is {percentage(clock)}"
    if share >= SLOWED_SAMPLES and clock < SLOWED_CLOCK and later >= SLOWED_CALLS:
        text += f"of the full clock and calls take {percentage(later)} longer ({reasons})"
        lost = later / (1 + later) * float(evidence.calls.wall_ns[rows].sum(dtype=np.int64)) / 2
        return flagged(text, numbers=numbers, n=len(gpus), saving_ns=lost)
    return clear(text, f"{len(gpus):,} samples", numbers, len(gpus))


def transfers(evidence: Evidence) -> Observation:
    """Calls repeatedly copy between host and device, or wait for the device."""
    if evidence.on_gpu is False:
        return clear("no GPU in use", evidence.all_calls)
    journal, calls = evidence.summary.journal, evidence.summary.evaluations.calls
    if not journal.conversions or calls < FEWEST_FOR_MEDIAN:
        return unknown("copies between host and device are not counted")
    moved = [each for record in journal.conversions for each in record.conversions if _moves(each)]
    waits = sum(each.calls for each in moved) / calls
    inside = int(evidence.calls.wall_ns.sum(dtype=np.int64, where=~evidence.calls.nested))
    spent = sum(each.ns for each in moved if each.kind != "sync")
    numbers = {"a_call": waits, "copying_ms": spent / 1e6, "share_of_calls": spent / max(inside, 1)}
    text = f"{figures(waits)} copies to or from the device and waits for it per call"
    traced = _traced_waits(evidence)
    if traced is not None:
        numbers["waits_in_traced_calls"] = traced
        text += f", {figures(traced)} waits in traced calls"
    if max(waits, traced or 0.0) <= SYNCS_A_CALL and (
        waits <= NEEDED_COPIES or spent < COPYING_SHARE * inside
    ):
        return clear(text, evidence.all_calls, numbers, calls)
    return flagged(text, numbers=numbers, n=calls, saving_ns=float(spent))


def _moves(each: Conversion) -> bool:
    """Return whether a conversion copies to or from a device, or waits for one."""
    onto = each.target.partition("@")[2] not in ("", "cpu")
    return each.kind in TRANSFERS or (each.kind == "numpy to torch" and onto)


def _traced_waits(evidence: Evidence) -> float | None:
    """Return how often a traced call waited for the device; None without windows of a CUDA device."""
    traces = evidence.traces
    if traces is None or traces.launches is None:
        return None
    return sum(each.calls for each in traces.operations if each.name == WAIT) / traces.calls


def _gpus(evidence: Evidence) -> list[Gpu]:
    return [gpu for machine in evidence.summary.journal.machines for gpu in machine.gpus or ()]


RULES = (
    Rule(
        "accelerator-idle",
        "info",
        'Pass the device to the calculator, such as device="cuda", unless you chose the CPU.',
        "Time ten calls on each.",
        accelerator_idle,
        trial="on-device",
    ),
    Rule(
        "shared-gpu",
        "wrong",
        "Repeat the run with the GPU to yourself before comparing.",
        "nvidia-smi lists only one process.",
        shared_gpu,
    ),
    Rule(
        "throttling",
        "cost",
        "Improve cooling or raise the power limit; do not compare with runs on a cold device.",
        "Run nvidia-smi -q -d PERFORMANCE during the run.",
        throttling,
        trial="cool-device",
        saving_kind="about",
    ),
    Rule(
        "transfers",
        "cost",
        "Keep data on the device, and copy all results back in one step.",
        "Check the table of conversions in the report.",
        transfers,
    ),
)
