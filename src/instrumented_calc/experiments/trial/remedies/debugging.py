"""Debugging aids that were left on, switched off."""

from __future__ import annotations

import logging
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any

from instrumented_calc.integration import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.integration import RunFacts


def remedies(facts: RunFacts) -> Iterator[Remedy]:
    """Yield a remedy for each debugging aid that is on and can be switched off in the process.

    Args:
        facts: What is known of the run as it is.
    """
    if "tracemalloc" in facts.aids:
        yield Remedy(
            "tracemalloc-off",
            "remove tracemalloc.start() and PYTHONTRACEMALLOC",
            at_first_call=lambda _: tracemalloc.stop(),
            seek=r"tracemalloc\.start",
        )
    if "torch.autograd.set_detect_anomaly" in facts.aids:
        yield Remedy(
            "anomaly-mode-off",
            "remove torch.autograd.set_detect_anomaly(True)",
            at_first_call=_no_anomaly_mode,
            seek=r"detect_anomaly",
        )
    if facts.debug_logging:
        yield Remedy(
            "debug-logging-off",
            "log at level INFO: logging.basicConfig(level=logging.INFO)",
            at_first_call=lambda _: logging.disable(logging.DEBUG),
            seek=r"DEBUG",
        )


def _no_anomaly_mode(_: Any) -> None:
    sys.modules["torch"].autograd.set_detect_anomaly(False)
