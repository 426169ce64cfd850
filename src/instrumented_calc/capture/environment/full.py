"""Everything that can be found out about the environment, for `instrumented-calc env`.

Unlike `environment`, which a run records, this may take seconds and start the devices of loaded libraries.
"""

from __future__ import annotations

import platform
import sys
from typing import Any

import msgspec

from instrumented_calc.capture.environment.container import container
from instrumented_calc.capture.environment.environment import environment
from instrumented_calc.capture.environment.gpus import gpus
from instrumented_calc.capture.environment.jax_state import jax_in_full
from instrumented_calc.capture.environment.libraries import packages
from instrumented_calc.capture.environment.revision import git_revision
from instrumented_calc.capture.environment.sources import answers
from instrumented_calc.capture.environment.torch_state import torch_in_full
from instrumented_calc.capture.environment.variables import variables
from instrumented_calc.journal.masking import mask_secrets


def full_environment() -> dict[str, Any]:
    """Return all that a run records of its environment, and more; unknown values are absent."""
    recorded: dict[str, Any] = msgspec.to_builtins(environment())
    return recorded | answers(
        {
            "executable": lambda: mask_secrets(sys.executable),
            "architecture": platform.machine,
            "packages": packages,
            "torch": torch_in_full,
            "jax": jax_in_full,
            "gpus": gpus,
            "git": git_revision,
            "container": container,
            "variables": variables,
        }
    )
