"""One contraction, done by numpy, torch and JAX, is reported three times and the same each time."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from tests.capture.zoo import copper

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.analysis.contractions.contractions import measure_contractions
from instrumented_calc.integration import Part
from instrumented_calc.journal.reader import read_journal

jax = pytest.importorskip("jax")
torch = pytest.importorskip("torch")

EQUATION = "mnpqr,pqr->mn"
FIRST, SECOND = (np.random.default_rng(0).random(shape, np.float32) for shape in ((2, 3, 4, 4, 4), (4, 4, 4)))


class Threefold:
    """A calculator that does the same in three libraries."""

    def __init__(self):
        self.results = {}
        self.model = SimpleNamespace(apply=jax.jit(lambda x, y: jax.numpy.einsum(EQUATION, x, y)))

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        self.results["all"] = [
            np.einsum(EQUATION, FIRST, SECOND),
            torch.einsum(EQUATION, torch.from_numpy(FIRST), torch.from_numpy(SECOND)).numpy(),
            np.asarray(self.model.apply(FIRST, SECOND)),
        ]


def test_three_rows_have_the_same_equation_operands_and_arithmetic(monkeypatch):
    integration = SimpleNamespace(
        knows=lambda _: True,
        describe=lambda _: {},
        parts=lambda calc: [Part("network", calc.model, "apply", shapes=lambda x, y: (x.shape, y.shape))],
    )
    entry_point = SimpleNamespace(name="threefold", value="threefold", load=lambda: integration)
    with monkeypatch.context() as patched:
        patched.setattr("instrumented_calc.integration.installed", lambda: (entry_point,))
        calc = ProfiledCalculator(Threefold(), journal="run.jsonl", summary=False)
        for _ in range(5):
            calc.calculate(copper())
        recording(calc).close()
    by_numpy, by_torch, by_jax = calc.results["all"]
    np.testing.assert_allclose(by_torch, by_numpy, rtol=1e-5)
    np.testing.assert_allclose(by_jax, by_numpy, rtol=1e-5)
    rows = measure_contractions(read_journal("run.jsonl")).rows
    assert sorted(row.library for row in rows) == ["jax", "numpy", "torch"]
    assert {row.calls for row in rows} == {5}
    assert {(row.equation, row.flops, row.macs) for row in rows} == {(EQUATION, 5 * 2 * 6 * 64, 5 * 6 * 64)}
    assert len({row.signatures[0].operands for row in rows}) == 1
