"""JAX and its devices. JAX is never imported here."""

from __future__ import annotations

import sys
from typing import Any

from instrumented_calc.capture.environment.libraries import not_loaded
from instrumented_calc.capture.environment.sources import answers


def jax_in_full() -> dict[str, Any]:
    """Return JAX's backend and devices, which starts the backend; or whether JAX is installed."""
    jax: Any = sys.modules.get("jax")
    if jax is None:
        return not_loaded("jax")
    return {
        "installed": str(jax.__version__),
        "imported": True,
        **answers(
            {
                "backend": jax.default_backend,
                "devices": lambda: [str(each) for each in jax.devices()],
                "x64": lambda: bool(jax.config.jax_enable_x64),
            }
        ),
    }
