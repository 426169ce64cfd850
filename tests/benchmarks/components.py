"""Overhead of twenty timed parts per call, and of one part and one span.

    python tests/benchmarks/components.py

Base / variant / base in interleaved blocks, thread CPU time, medians.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from typing import TYPE_CHECKING, Any

from ase import Atoms
from ase.calculators.calculator import Calculator

from instrumented_calc import ProfiledCalculator, span
from instrumented_calc.capture.calls import lane
from instrumented_calc.integration import Part

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS, CALLS, ROUNDS = 20, 500, 40


class Layer:
    """A part that does next to nothing."""

    def forward(self) -> int:
        return 1


class Layers(Calculator):
    """Runs its twenty layers."""

    implemented_properties = ("energy",)  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.layers = [Layer() for _ in range(PARTS)]

    def calculate(self, atoms: Any, properties: Any, system_changes: Any) -> None:
        self.results = {"energy": float(sum(layer.forward() for layer in self.layers))}


class Spans(Layers):
    """Runs its twenty layers inside spans."""

    def calculate(self, atoms: Any, properties: Any, system_changes: Any) -> None:
        total = 0
        for layer in self.layers:
            with span("layer"):
                total += layer.forward()
        self.results = {"energy": float(total)}


def cpu_per_call(calc: Any) -> float:
    atoms = Atoms("Ar")
    calculate = calc.calculate
    start = time.thread_time_ns()
    for _ in range(CALLS):
        calculate(atoms, ["energy"], ["positions"])
    return (time.thread_time_ns() - start) / CALLS


def added(base: Any, variant: Any) -> float:
    cpu_per_call(base), cpu_per_call(variant)
    differences = []
    for _ in range(ROUNDS):
        before, taken, after = cpu_per_call(base), cpu_per_call(variant), cpu_per_call(base)
        differences.append(taken - (before + after) / 2)
    return statistics.median(differences)


def wrapped(calc: Any, parts: Callable[[Any], list[Part]]) -> Any:
    lane.ask = lambda _, what, calculator, __: parts(calculator) if what == "parts" else None
    face = ProfiledCalculator(calc, summary=False)
    face.calculate(Atoms("Ar"), ["energy"], [])  # the parts are asked for at the first call
    return face


def main() -> None:
    os.chdir(tempfile.mkdtemp())
    untimed = wrapped(Layers(), lambda _: [])
    timed = wrapped(Layers(), lambda calc: [Part("layer", layer, "forward") for layer in calc.layers])
    parts = added(untimed, timed)
    print(f"{PARTS} parts: {parts / 1e3:.1f} us per call (goal <= 40), {parts / PARTS:.0f} ns each")
    bare_spans, bare = Spans(), Layers()
    spans = wrapped(Spans(), lambda _: [])
    print(f"a span: {added(untimed, spans) / PARTS:.0f} ns on (goal <= 600), ", end="")
    print(f"{added(bare, bare_spans) / PARTS:.0f} ns off (goal <= 150)")


if __name__ == "__main__":
    main()
