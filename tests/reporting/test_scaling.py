"""What the report of a scaling says about memory."""

from __future__ import annotations

import pytest

from instrumented_calc.analysis.scaling import MemoryFit, Scaling
from instrumented_calc.analysis.statistics.student_t import Estimate
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.scaling import build_scaling

GROWTH = Estimate(1000.0, 900.0, 1100.0)


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        (
            MemoryFit("host", GROWTH, 1e8, 1e8 + 4e6, Estimate(4000.0, 3636.0, 4444.0)),
            "about 4,000 [3,600, 4,400] atoms fit 104 MB",
        ),
        (
            MemoryFit("host", GROWTH, 1e8, 1e9, fits_at_least=5000),
            "5,000 atoms or more fit 1.00 GB: larger runs would tell",
        ),
        (MemoryFit("host", Estimate(0.0, -9.0, 9.0), 1e8, 1e9), "no growth visible over these sizes"),
        (MemoryFit("host", GROWTH, 1e8, None), "the limit is unknown"),
    ],
)
def test_how_many_atoms_fit_is_said_as_far_as_it_is_known(fit, words):
    scaling = Scaling((), None, {}, None, "too few sizes", (fit,))
    assert words in " ".join(render_text(build_scaling("Sizes", scaling, {})).split())
