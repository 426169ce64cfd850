"""Settings of torch: precision, gradients, denormal numbers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from instrumented_calc.experiments.trial.remedies.attributes import change_attributes
from instrumented_calc.integration import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.integration import RunFacts

PRECISION = "precision"
BACKWARD = "backward"
# Sums in single precision: 1e-7 of some eV per atom, and a hundred times that for forces; rounding errors
# then grow along a trajectory.
SINGLE_EV, SINGLE_EV_A = 1e-5, 1e-3
# TF32 has 11 bits: about the accuracy of the models themselves.
REDUCED_EV, REDUCED_EV_A = 1e-3, 3e-2


def remedies(facts: RunFacts) -> Iterator[Remedy]:
    """Yield the settings of torch that can apply to a run.

    Args:
        facts: What is known of the run as it is.
    """
    of_another_library = facts.dtype and not facts.torch_model  # which may have loaded torch
    if "torch" not in facts.modules or of_another_library:
        return
    if BACKWARD not in facts.components:
        yield Remedy(
            "inference-mode",
            "with torch.inference_mode(): around the dynamics",
            at_first_call=lambda _: _torch().inference_mode().__enter__(),
            seek=r"\.run\(",
        )
    if "float64" in facts.dtype:
        yield Remedy(
            "float32",
            "build the model in torch.float32",
            family=PRECISION,
            trials=("single-precision",),
            at_first_call=to_single,
            seek=r"float64|\.double\(",
            energy_tolerance_ev=SINGLE_EV,
            force_tolerance_ev_a=SINGLE_EV_A,
        )
    if facts.device.startswith("cuda"):
        yield Remedy(
            "matmul-precision-high",
            'torch.set_float32_matmul_precision("high")',
            family=PRECISION,
            at_first_call=lambda _: _torch().set_float32_matmul_precision("high"),
            seek=r"matmul_precision|allow_tf32",
            energy_tolerance_ev=REDUCED_EV,
            force_tolerance_ev_a=REDUCED_EV_A,
        )
    else:
        yield Remedy(
            "flush-denormals",
            "torch.set_flush_denormal(True) before the dynamics",
            at_first_call=lambda _: _torch().set_flush_denormal(True),
        )


def to_single(calc: Any) -> None:
    """Convert a calculator's modules and tensors to single precision, and the dtypes that it notes.

    A calculator that makes tensors of a fixed dtype fails at its first call then, and the remedy is out.

    Args:
        calc: The calculator.
    """
    torch = _torch()
    torch.set_default_dtype(torch.float32)

    def single(value: Any) -> Any:
        if isinstance(value, torch.nn.Module):
            return value.float()
        if isinstance(value, torch.Tensor) and value.dtype is torch.float64:
            return value.float()
        return torch.float32 if value is torch.float64 else value

    change_attributes(calc, single)


def _torch() -> Any:
    return sys.modules["torch"]
