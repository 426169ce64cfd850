"""Environment variables that decide how libraries run."""

from __future__ import annotations

import os
import re

from instrumented_calc.journal.masking import mask_variables

NAMES = re.compile(
    r"^(OMP|MKL|OPENBLAS|BLIS|NUMEXPR|VECLIB|KMP|GOMP|TORCH|PYTORCH|JAX|XLA|TF|CUDA|NVIDIA|HIP|ROCR|TRITON|NCCL"
    r"|MALLOC|LD_PRELOAD|PYTHON|INSTRUMENTED_CALC|SLURM|PBS|LSB|_CONDOR|OMPI|PMI|CONDA_DEFAULT_ENV|VIRTUAL_ENV"
    r"|HF|WANDB|PIP|UV|HTTPS?_PROXY|https?_proxy)"
)


def variables() -> dict[str, str]:
    """Return these variables, and no others, with secrets masked."""
    return {name: value for name, value in mask_variables(os.environ).items() if NAMES.match(name)}
