"""The integration: one function for each function of `instrumented_calc.integration`."""

from __future__ import annotations

from instrumented_calc_fennol.evidence import describe, knows
from instrumented_calc_fennol.loading import FORMS, NAMED_FILES, build
from instrumented_calc_fennol.timing import counts, parts

__all__ = ["FORMS", "SPECS", "build", "counts", "describe", "knows", "parts"]

SPECS = tuple(NAMED_FILES)
