"""A model of torch moved from the processor to a GPU."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.comparison.tolerances import OF_DOUBLE, OF_REDUCED
from instrumented_calc.experiments.trial.remedies.attributes import change_attributes
from instrumented_calc.integration import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.integration import RunFacts

GPU = "cuda"  # also torch's name of AMD's


def remedies(facts: RunFacts) -> Iterator[Remedy]:
    """Yield the GPU for a model of torch on the processor, with the obstacle if there is none.

    Args:
        facts: What is known of the run as it is.
    """
    if facts.gpus is None or not facts.torch_model or not facts.device.startswith("cpu"):
        return
    # Single precision may mean TF32 there, as the program or its library has set.
    tolerance = OF_DOUBLE if "float64" in facts.dtype else OF_REDUCED
    yield Remedy(
        "on-gpu",
        f'pass device="{GPU}" to the calculator',
        trials=("on-device",),
        at_first_call=to_gpu,
        energy_tolerance_ev=tolerance.energy_ev,
        force_tolerance_ev_a=tolerance.force_ev_a,
        seek=r"""device|["']cpu["']|\.to\(""",
        obstacle="" if facts.gpus else "torch finds no GPU on this machine",
    )


def to_gpu(calc: Any) -> None:
    """Move a calculator's models and tensors to the GPU, and change the devices that it notes.

    A calculator that makes tensors on the processor whatever the device fails at its first call then, and
    the remedy is out.

    Args:
        calc: The calculator.
    """
    torch: Any = sys.modules["torch"]

    def moved(value: Any) -> Any:
        if isinstance(value, torch.nn.Module):
            for module in value.modules():
                change_attributes(module, noted)
            return value.to(GPU)
        if isinstance(value, torch.Tensor):
            return value.to(GPU)
        return noted(value)

    def noted(value: Any) -> Any:
        if isinstance(value, torch.device) and value.type == "cpu":
            return torch.device(GPU)
        return GPU if type(value) is str and value == "cpu" else value

    change_attributes(calc, moved)
