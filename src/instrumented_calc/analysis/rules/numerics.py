"""Rules on numerics: reduced precision, slow double precision, lost edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.memory.growth import sizes
from instrumented_calc.analysis.rules.evidence import FEWEST_FOR_MEDIAN
from instrumented_calc.analysis.rules.finding import Need, Rule, clear, flagged, unknown
from instrumented_calc.analysis.soundness.drift import NAME as ENERGY_DRIFT
from instrumented_calc.quantities import figures, percentage

if TYPE_CHECKING:
    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation

# GPUs by name whose double precision is at most 1/32 of single precision, and those with half of it.
# NVIDIA's CUDA C programming guide, throughput of native arithmetic instructions.
FULL_DOUBLE = ("A100", "H100", "H200", "GH200", "V100", "P100", "A30", "B200", "GB200")
SLOW_DOUBLE = (
    *("GeForce", "RTX", "TITAN", "Quadro", "T4", "A10", "A16", "A40", "L4", "L40", "A2"),
    *("A4000", "A5000", "A6000", "GTX"),
)
# Loss of edges per atom at which atoms may have left the cell. Uncalibrated.
LOST_EDGES = 0.1
# Distance at which an atom has certainly left the cell, and allowed relative change of the volume.
# Uncalibrated.
OUTSIDE_CELLS, SAME_VOLUME = 1.5, 0.01
REDUCED = ("high", "medium", "tf32", "bf16", "bfloat16", "tensorfloat32")


def reduced_precision(evidence: Evidence) -> Observation:
    """Matrix products use fewer digits than the data have.

    Many models are published and run so: this is a note, unless the run's energy is seen to drift.
    """
    if evidence.on_gpu is False:
        text = "on the CPU, products have the full precision of their type"
        return clear(text, evidence.all_calls)
    torch = evidence.environment.torch
    state = torch if isinstance(torch, dict) else {}
    precisions = [str(model["precision"]) for model in evidence.models if model.get("precision")]
    if evidence.on_gpu is None or not (state or precisions):
        missing = "the precision of matrix products, or the device, is not recorded"
        return unknown(missing, Need("integration", "device and precision of the model"))
    # Double precision is never reduced.
    if evidence.models and all(str(model.get("dtype")) == "float64" for model in evidence.models):
        return clear("double precision", evidence.all_calls, {"dtype": "float64"})
    setting = str(state.get("float32_matmul_precision", ", ".join(precisions)))
    reduced = (
        bool(state.get("tf32_matmul"))
        or any(word in REDUCED for word in setting.lower().split())
        or any("TF32 on" in each for each in precisions)
        # JAX's default uses TensorFloat-32 where the device has it (jax-ml/jax#22557).
        or (evidence.uses_jax and "default" in precisions)
    )
    numbers = {"setting": setting, "model": ", ".join(precisions), "tf32": str(state.get("tf32_matmul"))}
    if not reduced:
        return clear(f"matrix products: {setting}", "settings at the start", numbers)
    text = f"matrix products may use a 10-bit mantissa instead of 23 bits ({setting})"
    drift = evidence.summary.soundness.of(ENERGY_DRIFT)
    harmed = drift is not None and drift.ruins
    if harmed:
        text += ", and the energy is not conserved"
    elif _needs_digits(evidence):
        text += ", in a run that conserves energy or converges forces"
    remedy = "Set jax_default_matmul_precision to 'highest', then compare." if evidence.uses_jax else None
    return flagged(text, numbers=numbers, severity="wrong" if harmed else "info", remedy=remedy)


def _needs_digits(evidence: Evidence) -> bool:
    """Return whether noise in the forces matters most: where energy is conserved, or forces converge."""
    phases = [each.phase for each in evidence.summary.phases]
    return any(each.kind == "optimizer" or each.ensemble == "NVE" for each in phases)


def slow_double(evidence: Evidence) -> Observation:
    """Double precision on a CPU, or on a GPU that is slow at it."""
    if evidence.on_gpu is False:
        return _on_cpu(evidence)
    types = {str(model["dtype"]) for model in evidence.models if model.get("dtype")}
    if types and "float64" not in types:
        return clear(f"the model computes in {', '.join(sorted(types))}", evidence.all_calls)
    torch = evidence.environment.torch
    devices = torch.get("devices") if isinstance(torch, dict) else None
    if not types or not devices:
        missing = "the model's dtype or the device's name is not recorded"
        return unknown(missing, Need("integration", "device and dtype of the model"))
    name = ", ".join(str(each) for each in devices)
    words = name.replace(",", " ").replace("-", " ").split()
    if any(word in FULL_DOUBLE for word in words):
        return clear(f"{name} computes double precision at half the speed of single", evidence.all_calls)
    if any(known in words for known in SLOW_DOUBLE):
        return flagged(f"double precision on {name}, at 1/32 of the speed or less", numbers={"device": name})
    return unknown(f"the double-precision speed of {name} is unknown")


def _on_cpu(evidence: Evidence) -> Observation:
    """Judge a model on the CPU, which computes double precision at about half the speed of single."""
    double = [model for model in evidence.models if str(model.get("dtype")) == "float64"]
    if not double:
        return clear("no model in double precision, and no GPU in use", evidence.all_calls)
    text = (
        "the model computes in double precision: in single precision, large models take about half the time"
    )
    return flagged(text, numbers={"dtype": "float64", "device": "cpu"}, severity="info")


def lost_edges(evidence: Evidence) -> Observation:
    """Neighbours are lost because atoms have left the cell."""
    calls, rows = evidence.calls, evidence.steady
    counted = [column for name, column in sizes(calls).items() if name != "n_atoms"]
    column = next((each for each in counted if len(rows) and bool((each[rows] >= 0).all())), None)
    if column is None or len(rows) < FEWEST_FOR_MEDIAN:
        return unknown("edges are not counted", Need("integration", "the number of edges"))
    per_atom = column[rows] / np.maximum(calls.n_atoms[rows], 1)
    fifth = max(len(rows) // 5, 1)
    change = float(np.quantile(per_atom[-fifth:], 0.5) / max(np.quantile(per_atom[:fifth], 0.5), 1e-9)) - 1
    numbers = {"change": change, "edges_per_atom": float(np.quantile(per_atom, 0.5))}
    if change > -LOST_EDGES:
        text = f"edges per atom {percentage(change, signed=True)} over the run"
        return clear(text, evidence.part_of_calls(len(rows)), numbers, len(rows))
    states = evidence.summary.journal.states
    far = [each.farthest_cells for each in states if isinstance(each.farthest_cells, float)]
    volumes = [each.volume_a3 for each in states if isinstance(each.volume_a3, float) and each.volume_a3 > 0]
    text = f"edges per atom fell by {percentage(-change)}"
    if not far or not volumes:
        missing = f"{text}, but the positions of the atoms are not recorded"
        return unknown(missing, numbers=numbers, n=len(rows))
    numbers |= {"farthest_cells": max(far), "volume_change": volumes[-1] / volumes[0] - 1}
    if max(far) <= OUTSIDE_CELLS or abs(volumes[-1] / volumes[0] - 1) > SAME_VOLUME:
        text += ", but the atoms are in the cell, or it has changed"
        return clear(text, evidence.part_of_calls(len(rows)), numbers, len(rows))
    text += f" while atoms moved up to {figures(max(far))} cells out: results may be wrong"
    return flagged(text, numbers=numbers, n=len(rows))


RULES = (
    Rule(
        "reduced-precision",
        "info",
        "Call torch.set_float32_matmul_precision('highest'), then compare.",
        "Compare energies and forces of the same frames with both settings.",
        reduced_precision,
        trial="full-matmul-precision",
    ),
    Rule(
        "slow-double",
        "cost",
        "Try single precision and compare forces; keep the precision the model was trained in.",
        "Compare forces of the same frames in both precisions.",
        slow_double,
        trial="single-precision",
    ),
    Rule(
        "lost-edges",
        "wrong",
        "Wrap the atoms into the cell.",
        "Compare the energy of the last frame, wrapped and unwrapped.",
        lost_edges,
        trial="wrapped-atoms",
    ),
)
