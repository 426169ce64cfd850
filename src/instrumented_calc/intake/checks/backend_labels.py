"""Verify that the executed backend matches its label: labels alone are not trusted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.experiment_checks import (
    BACKEND_UNVERIFIED,
    TOO_SMALL_FOR_TORCH,
    least_torch_bytes,
)
from instrumented_calc.analysis.observation import Observation
from instrumented_calc.intake.checks.cases import observation
from instrumented_calc.intake.reading.executed import BYTES_PER_KB

if TYPE_CHECKING:
    from instrumented_calc.intake.reading.measurements import LogLine, Measurement
    from instrumented_calc.intake.reading.study_data import StudyData

# Backend names in labels, and the names of the libraries in reports of environments.
BACKENDS = {"torch": ("torch", "pytorch"), "jax": ("jax",), "cuda": ("cuda",), "mps": ("mps",)}
TORCH_WORDS = "numpy alone needs about 25-30 MB, with torch for the CPU about 220 MB"
REMEDY = "record the executed operations, the loaded modules and the environment of each process"


def backend_of(mode: str) -> str:
    """Return the backend claimed by a label; empty for numpy, which needs no evidence."""
    words = mode.lower()
    return next((name for name in BACKENDS if name in words), "")


def unverified(evidence: StudyData) -> dict[tuple[str, str], str]:
    """Return why labels that claim a backend are not trusted, by bundle and label."""
    found = {}
    for bundle, mode in dict.fromkeys((each.bundle, each.mode) for each in evidence.originals()):
        backend = backend_of(mode)
        reason = _reason(bundle, mode, backend, evidence) if backend else ""
        if reason:
            found[bundle, mode] = reason
    return found


def backend_labels(evidence: StudyData) -> Observation:
    """Judge whether every label that claims a backend is confirmed by evidence."""
    claims = {each.mode for each in evidence.originals() if backend_of(each.mode)}
    if not claims:
        text = "no label claims a backend other than NumPy"
        return Observation("clear", text, rule=BACKEND_UNVERIFIED)
    wrong = [f"{mode} in {bundle}: {reason}" for (bundle, mode), reason in unverified(evidence).items()]
    clear = "the executed backend is recorded for every label"
    return observation(BACKEND_UNVERIFIED, wrong, clear, remedy=REMEDY)


def _reason(bundle: str, mode: str, backend: str, evidence: StudyData) -> str:
    runs = [each for each in evidence.originals() if (each.bundle, each.mode) == (bundle, mode)]
    lines = [
        line
        for line in evidence.lines
        if (line.bundle, line.mode) == (bundle, mode) and "backend" in line.values
    ]
    against = _against(runs, lines, backend)
    lacking = [
        name
        for name, report in evidence.environments.items()
        if name.partition("/")[0] == bundle and _lacks(report, backend)
    ]
    against += [f"{name} says that {backend} is missing" for name in lacking[:1]]
    if against:
        return "; ".join(against)
    logged = {line.system for line in lines if backend in line.values["backend"].lower()}
    silent = [each for each in runs if backend not in each.executed.lower() and each.system not in logged]
    return f"{len(silent)} of {len(runs)} runs have no record of the executed backend" if silent else ""


def _against(runs: list[Measurement], lines: list[LogLine], backend: str) -> list[str]:
    """Return the evidence against a label: the first of each kind, since they repeat by system."""
    ran = [
        f"{each.system} actually ran {each.executed[:40]}"
        for each in runs
        if each.executed and backend not in each.executed.lower()
    ]
    logged = [
        f"the log of {line.system} says backend={line.values['backend'][:40] or '(nothing)'}"
        for line in lines
        if backend not in line.values["backend"].lower()
    ]
    return [*ran[:1], *logged[:1]]


def _lacks(report: dict[str, Any], backend: str) -> bool:
    """Return whether a report on an environment says that the backend is missing."""
    names = BACKENDS[backend]
    error = str(report.get("error", ""))
    if "No module named" in error and any(f"'{name}'" in error for name in names):
        return True
    if backend == "cuda":
        return report.get("cuda_available") is False
    torch = report.get("torch")
    if backend == "mps":
        mps = torch.get("mps") if isinstance(torch, dict) else None
        return isinstance(mps, dict) and mps.get("available") is False
    return any(name in report and report[name] is None for name in names)


def resident_memory(evidence: StudyData) -> Observation:
    """Judge whether processes used enough memory to have loaded the library that their label claims."""
    labelled = [
        (each, each.max_rss_kb)
        for each in evidence.originals()
        if each.max_rss_kb is not None and backend_of(each.mode) in {"torch", "cuda", "mps"}
    ]
    wrong = [
        f"{each.system} {each.mode} used at most {kb / 1e3:.0f} MB"
        for each, kb in labelled
        if kb * BYTES_PER_KB < least_torch_bytes()
    ]
    missing = "" if labelled else "no run with a torch label stores its resident memory"
    clear = f"{len(labelled)} runs used enough memory"
    found = observation(TOO_SMALL_FOR_TORCH, wrong, clear, missing, REMEDY)
    return replace(found, text=f"{found.text}; {TORCH_WORDS}") if found.flagged else found
