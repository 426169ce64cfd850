"""All checks together."""

import numpy as np

from instrumented_calc.analysis.soundness.assess import CHECKS, assess_soundness
from instrumented_calc.journal.reader import read_journal


def test_without_calls_nothing_is_clear(tmp_path):
    (tmp_path / "run.jsonl").write_bytes(
        b'{"event":"run_start","schema":"instrumented-calc/1","run_id":"r","started":"2026-01-01T00:00:00Z",'
        b'"pid":1,"version":"0.1.0"}\n'
    )
    found = assess_soundness(read_journal(tmp_path / "run.jsonl"), 0, 0, {}, np.zeros(0, np.int64))
    assert len(found.checks) == len(CHECKS)
    assert {each.verdict for each in found.checks} == {"not enough evidence"}
