"""Pages of experiments, made by the commands where that is quick, otherwise of planted times."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from tests.browser.journals import HOSTILE
from tests.experiments.study.test_study import cells, judged
from tests.reporting.test_trial import LOST, WINNER, WRONG
from tests.sized_runs import write_run

from instrumented_calc.analysis.scaling import measure_scaling
from instrumented_calc.analysis.statistics.student_t import Estimate
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.analysis.trial.trial_result import RemedyOutcome, TrialResult
from instrumented_calc.cli import main
from instrumented_calc.journal import records as r
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.reporting.compare_all import build_models, figures_of_models
from instrumented_calc.reporting.html.result_page import ResultPage, render_result
from instrumented_calc.reporting.html.result_pages import scaling_page, study_page, trial_page
from instrumented_calc.reporting.scaling import build_scaling, render_scaling_json, scaling_title
from instrumented_calc.reporting.study.report import build_study, render_study_json

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("neighbour list", "message passing x5, a block of the model with a long name", "energy head")


def comparison(page: Path) -> None:
    """Replicates of both sides, with parts."""
    for side, level in (("a", 1.0), ("b", 0.7)):
        for number in range(4):
            _run(page.parent / f"{side}-{number}.jsonl", level, seed=10 * number + ord(side))
    words = [word for side in "ab" for word in (f"--{SIDES[side]}", str(page.parent / f"{side}-*.jsonl"))]
    assert main(["compare", *words, "--html", str(page)]) == 0


def incomparable(page: Path) -> None:
    """Two runs with other energies."""
    paths = [page.parent / "one.jsonl", page.parent / "other.jsonl"]
    for number, path in enumerate(paths):
        _run(path, 1.0, seed=number, energy=float(number))
    assert main(["compare", *map(str, paths), "--html", str(page)]) == 4


def scaling(page: Path) -> None:
    """Four sizes, three runs of each, with another exponent of one part."""
    chance = np.random.default_rng(5)
    summaries = []
    for n_atoms in (32, 108, 256, 10_000):
        for number in range(3):
            path = page.parent / f"{n_atoms}-{number}.jsonl"
            _run(
                path,
                (n_atoms / 32) ** 1.1 * float(np.exp(0.1 * chance.normal())),
                seed=number,
                n_atoms=n_atoms,
            )
            summaries.append(summarize(read_journal(path)))
    found = measure_scaling(summaries)
    settings = {"calc": "emt", "system": "copper", "steps": 100}
    document = build_scaling(scaling_title("emt", "copper", found), found, settings)
    made = scaling_page(document, found, render_scaling_json(found, settings, ()))
    page.write_text(render_result(made), encoding="utf-8")


def study(page: Path) -> None:
    """Two inputs in three modes."""
    made = [
        each
        for number, file in enumerate(("ellipsoids.xyz", "benzene-of-a-long-name.xyz"))
        for each in cells(number, (1e-3, 2.4e-3, 3.1e-2), 0.2, file=file)
    ]
    found = judged(made)
    settings = {"workload": "einsum", "reps": 5}
    result = study_page(build_study(found, settings), found, render_study_json(found, settings, ()))
    page.write_text(render_result(result), encoding="utf-8")


def models(page: Path) -> None:
    """Models side by side, one with a hostile name, one that failed with a hostile message."""
    rows = [
        {
            "calc": name,
            "median_ms": time,
            "p95_ms": 1.3 * time,
            "us_per_atom": 15 * time,
            "steps_per_s": 900 / time,
        }
        | {"ns_per_day": None, "first_call_ms": 9 * time, "peak_mb": 200.0 + 3 * time}
        for name, time in (("emt", 1.2), ("lj", 3.5), ("orb-v2:random", 210.0), (HOSTILE, 55.0))
    ]
    rows.append({"calc": "ani-2x", "failure": f"not installed {HOSTILE}"})
    document = build_models("copper, 64 atoms, NVE, 20 steps", rows, "skipped", [])
    result = ResultPage(document, tuple(figures_of_models(rows)), json.dumps({"models": rows}))
    page.write_text(render_result(result), encoding="utf-8")


def trial(page: Path) -> None:
    """Remedies of which two help, one with a hostile name of the program."""
    together = RemedyOutcome(("threads-1", "gc-freeze"), "helps", gain=Estimate(1.31, 1.2, 1.42), rounds=4)
    outcomes = (WINNER, replace(WINNER, names=("gc-freeze",), gain=Estimate(1.06, 1.04, 1.08)), LOST, WRONG)
    found = TrialResult(f"md.py {HOSTILE}", 2000, 1.5e6, 0.03, outcomes, together, 20, 61.0, False)
    page.write_text(render_result(trial_page(found)), encoding="utf-8")


def job(page: Path) -> None:
    """A trajectory sized after three runs of each of four sizes."""
    folder = page.parent / "sizes"
    folder.mkdir()
    for n_atoms in (32, 108, 256, 500):
        for number, scatter in enumerate((0.99, 1.0, 1.02), start=1):
            path = folder / f"n{n_atoms:06d}-r{number}.jsonl"
            write_run(path, n_atoms, scatter * (1 + 0.01 * n_atoms), megabytes=scatter * (100 + n_atoms))
    words = ["size", str(folder), "--n-atoms", "2000", "--ns", "10"]
    assert main([*words, "--html", str(page)]) == 0


def _run(path: Path, level: float, *, seed: int, n_atoms: int = 32, energy: float = 1.0) -> None:
    noise = np.exp(0.03 * np.random.default_rng(seed).normal(size=400))
    start = r.RunStart(r.SCHEMA, path.stem, "2026-01-01T00:00:00Z", 1, "0.1.0")
    lane = r.Lane(0, "Net", "twin", n_atoms=n_atoms, formula=f"Si{n_atoms}")
    calls = [
        r.Call(
            index=n,
            lane=0,
            n_atoms=n_atoms,
            start_ns=n * 10**9,
            wall_ns=int(10**7 * level * scatter),
            components={name: int(2 * 10**6 * level * scatter) for name in PARTS},
            energy_ev=energy,
            rss_bytes=10**8 + 1000 * n_atoms + n,
        )
        for n, scatter in enumerate(noise)
    ]
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (start, lane, *calls)))


SIDES = {"a": "before", "b": "after"}
RESULTS = {
    "comparison": comparison,
    "incomparable": incomparable,
    "scaling": scaling,
    "study": study,
    "models": models,
    "trial": trial,
    "job": job,
}
