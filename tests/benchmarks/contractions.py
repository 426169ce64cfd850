"""Overhead of counting per contraction: ours, cProfile, viztracer and torch.profiler in one run.

    python tests/benchmarks/contractions.py [--rounds 40]

Each round times base / variant / base in thread CPU time, variants in random order; shown are the medians
over the rounds of the added ns per call, and their ratio to the base. Libraries that are not installed are
left out. With AniSOAP installed, a whole run on ellipsoids follows: bare, recorded, and under cProfile.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib.util
import random
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc import ProfiledCalculator, recording
from instrumented_calc.analysis.contractions.contractions import measure_contractions
from instrumented_calc.capture.counting.numpy_einsum import NumpyEinsumProbe
from instrumented_calc.capture.counting.table import SignatureTable
from instrumented_calc.capture.open_calls import Entry, active
from instrumented_calc.journal.reader import read_journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from instrumented_calc.capture.counting.cells import Cell

CALLS = 1500
NUMPY, TORCH = "mnpqr,pqr->mn", "bi,bij->bj"


class Maker:
    """The part of a run that the probes use."""

    def __init__(self) -> None:
        self.clock = time.perf_counter_ns
        self.signatures = SignatureTable()


@contextmanager
def counting(probe: Callable[[], Any], contract: Callable[[], Any], mode: str) -> Iterator[None]:
    """Count while it lasts, at the mode that thousands of calls would have led to."""
    opened = probe()
    entry = Entry(0, Maker())
    active.stack.append(entry)
    try:
        contract()
        for cells in (entry.signatures.numpy, entry.signatures.torch):
            for cell in cells.values():
                hold(cell, mode)
        yield
    finally:
        active.stack.remove(entry)
        opened.close()


def hold(cell: Cell, mode: str) -> None:
    if mode == "timed":
        cell.peek = 1
    elif mode == "one in 16":
        cell.left = 1


@contextmanager
def open_run_only(probe: Callable[[], Any]) -> Iterator[None]:
    opened = probe()
    try:
        yield
    finally:
        opened.close()


@contextmanager
def under_cprofile() -> Iterator[None]:
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        yield
    finally:
        profiler.disable()


@contextmanager
def under_viztracer() -> Iterator[None]:
    from viztracer import VizTracer

    tracer = VizTracer(verbose=0)
    tracer.start()
    try:
        yield
    finally:
        tracer.stop()
        tracer.clear()


@contextmanager
def under_torch_profiler() -> Iterator[None]:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]):
        yield


def cpu(contract: Callable[[], Any]) -> float:
    start = time.thread_time_ns()
    for _ in range(CALLS):
        contract()
    return (time.thread_time_ns() - start) / CALLS


def measure(
    title: str, contract: Callable[[], Any], variants: dict[str, Callable[[], Any]], rounds: int
) -> None:
    added: dict[str, list[float]] = {name: [] for name in variants}
    bases: list[float] = []
    for _ in range(rounds):
        for name in random.sample(list(variants), len(variants)):
            before = cpu(contract)
            context: AbstractContextManager[None] = variants[name]()
            with context:
                taken = cpu(contract)
            after = cpu(contract)
            bases += [before, after]
            added[name].append(taken - (before + after) / 2)
    base = statistics.median(bases)
    print(f"\n{title}: {base:.0f} ns per call, {rounds} rounds of {CALLS} calls")
    for name, each in added.items():
        extra = statistics.median(each)
        print(f"  {name:52s}{extra:+9.0f} ns   x{1 + extra / base:.2f}")


def numpy_variants(contract: Callable[[], Any]) -> dict[str, Callable[[], Any]]:
    variants: dict[str, Callable[[], Any]] = {
        "recorded, outside of calls": lambda: open_run_only(NumpyEinsumProbe),
        "timed, by equation, operands 1 in 16   goal <= 250": lambda: counting(
            NumpyEinsumProbe, contract, "timed"
        ),
        "timed, by equation and operands        goal <= 480": lambda: counting(
            NumpyEinsumProbe, contract, "full"
        ),
        "counted, inspected 1 in 16             goal <= 120": lambda: counting(
            NumpyEinsumProbe, contract, "one in 16"
        ),
        "cProfile (no equation)": under_cprofile,
    }
    if importlib.util.find_spec("viztracer"):
        variants["viztracer (no equation)"] = under_viztracer
    return variants


def measure_torch(rounds: int) -> None:
    import torch

    from instrumented_calc.capture.counting.torch_einsum import TorchEinsumProbe

    torch.set_num_threads(1)
    left, right = torch.rand(8, 3), torch.rand(8, 3, 3)

    def contract() -> Any:
        return torch.einsum(TORCH, left, right)

    with under_torch_profiler():  # its first use takes a second
        contract()
    variants: dict[str, Callable[[], Any]] = {
        "recorded, outside of calls": lambda: open_run_only(TorchEinsumProbe),
        "timed, by equation, operands 1 in 16   goal <= 250": lambda: counting(
            TorchEinsumProbe, contract, "timed"
        ),
        "counted, inspected 1 in 16": lambda: counting(TorchEinsumProbe, contract, "one in 16"),
        "torch.profiler (no equation)": under_torch_profiler,
        "cProfile (no equation)": under_cprofile,
    }
    measure(f"torch.einsum {TORCH}", contract, variants, rounds)


def anisoap_calls(calculator: Any, frames: list[Any]) -> int:
    start = time.thread_time_ns()
    for atoms in frames:
        calculator.get_property("descriptor", atoms)
    return time.thread_time_ns() - start


def measure_anisoap(rounds: int) -> None:
    from instrumented_calc_anisoap import (
        AniSOAPCalculator,
        Hypers,
        ellipsoids,
    )

    frames = ellipsoids(100, 2)
    hypers = Hypers(max_angular=6)
    journal = Path(tempfile.mkdtemp()) / "anisoap.jsonl"
    bare = AniSOAPCalculator(hypers)
    recorded = ProfiledCalculator(AniSOAPCalculator(hypers), journal=journal, summary=False)
    ratios: dict[str, list[float]] = {"recorded": [], "cProfile": []}
    anisoap_calls(recorded, frames)
    for _ in range(rounds):
        for name, each in ratios.items():
            before = anisoap_calls(bare, frames)
            if name == "recorded":
                taken = anisoap_calls(recorded, frames)
            else:
                with under_cprofile():
                    taken = anisoap_calls(bare, frames)
            each.append(2 * taken / (before + anisoap_calls(bare, frames)))
    recording(recorded).close()
    found = measure_contractions(read_journal(journal))
    if found is None:
        message = "no contraction was recorded"
        raise RuntimeError(message)
    per_run = found.calls / (rounds + 1)
    print(f"\nAniSOAP, {len(frames)} frames of ellipsoids, L 6: {per_run:,.0f} einsums a run")
    for name, each in ratios.items():
        print(f"  {name:52s}x{statistics.median(each):.3f}   [{min(each):.3f}, {max(each):.3f}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    generator = np.random.default_rng(0)
    left, right = generator.random((2, 2, 3, 3, 3)), generator.random((3, 3, 3))

    def contract() -> Any:
        return np.einsum(NUMPY, left, right)

    measure(f"numpy.einsum {NUMPY}", contract, numpy_variants(contract), rounds)
    if importlib.util.find_spec("torch"):
        measure_torch(rounds)
    if importlib.util.find_spec("anisoap"):
        measure_anisoap(max(rounds // 4, 3))


if __name__ == "__main__":
    main()
