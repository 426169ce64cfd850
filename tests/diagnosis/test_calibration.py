"""The table of estimated and measured savings, from recorded journals and given measurements."""

from __future__ import annotations

import pytest
from tests.diagnosis.calibration import (
    CalibratedSaving,
    calibration_error,
    calibration_table,
    savings_of,
    write_page,
)
from tests.diagnosis.case import CASES, all_cases
from tests.diagnosis.recorded import unpack
from tests.diagnosis.score import Scored

all_cases()


def scored(tmp_path, name, *measured):
    return Scored(name, unpack(CASES[name], tmp_path, planted=True), None, measured)


def test_a_finding_with_a_saving_stands_beside_the_median_of_its_twins(tmp_path):
    (found,) = savings_of([scored(tmp_path, "calculated-twice", 0.9, 0.4, 0.5)])
    assert (found.rule, found.kind) == ("unchanged-atoms", "about")
    assert 0.3 < found.said < 0.6
    assert found.typical == 0.5
    (_, _, row) = calibration_table([found])
    assert f"| calculated-twice | about | {100 * found.said:.0f} | 50 | 40 to 90 |" in row


def test_a_case_that_was_not_measured_is_left_out(tmp_path):
    assert savings_of([scored(tmp_path, "calculated-twice")]) == []


@pytest.mark.parametrize(
    ("kind", "said", "measured", "holds"),
    [
        ("about", 0.40, 0.45, True),
        ("about", 0.40, 0.60, False),
        ("about", 0.40, 0.20, False),
        ("at most", 0.40, 0.20, True),
        ("at most", 0.40, 0.44, True),
        ("at most", 0.40, 0.50, False),
    ],
)
def test_an_estimate_must_be_near_and_a_limit_not_exceeded(kind, said, measured, holds):
    assert CalibratedSaving("case", "rule", kind, said, (measured,)).holds is holds


def test_the_page_has_the_error_the_table_and_the_machine(tmp_path):
    savings = [
        CalibratedSaving("one", "gc-pauses", "about", 0.30, (0.25, 0.30, 0.31)),
        CalibratedSaving("two", "off-blas", "about", 0.20, (0.40,)),
        CalibratedSaving("three", "neighbour-list", "at most", 0.20, (0.10,)),
    ]
    errors = [*calibration_error(savings)]
    assert errors[0].startswith("estimates: 1 of 2 within 25 %")
    assert "from 0.50 to 1.00" in errors[1]
    assert errors[2].startswith("upper limits: 1 of 1 hold")
    write_page(tmp_path / "page.md", savings, 3, "Measured somewhere.")
    text = (tmp_path / "page.md").read_text()
    for words in ("3 pairs of runs", "Measured somewhere.", errors[0], "| `off-blas` | two |", "| NO |"):
        assert words in text
