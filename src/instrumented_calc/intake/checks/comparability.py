"""Checks before comparing times: replicates, warm-up, caches, threads, values, unaccounted time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.comparison.hardware import evidence_of, unequal
from instrumented_calc.analysis.experiment_checks import (
    COLD_CACHE_PAIR,
    HARDWARE_UNEQUAL,
    SINGLE_RUN,
    THREADS_UNEQUAL,
    UNACCOUNTED,
    UNACCOUNTED_FLAG,
    UNACCOUNTED_TIME,
    VALUES_DIFFER,
    WARM_UP,
    WARMUP_MISSING,
    cold_start,
    different_threads,
    is_cold_pair,
    is_single,
    unaccounted_share,
)
from instrumented_calc.analysis.observation import Observation
from instrumented_calc.intake.checks.cases import label, observation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.intake.reading.measurements import Measurement
    from instrumented_calc.intake.reading.study_data import Group, StudyData

# Logs print seven digits.
SAME_VALUE = 1e-5


def single_runs(evidence: StudyData) -> Observation:
    """Judge whether every mode was run more than once."""
    groups = evidence.groups()
    wrong = [label(group) for group, runs in groups.items() if is_single(runs)]
    missing = "" if groups else "no runs are stored"
    clear = f"{len(groups)} modes of systems have at least {min(map(len, groups.values()), default=0)} runs"
    return observation(SINGLE_RUN, wrong, clear, missing, "repeat each five times or more, interleaved")


def cold_groups(evidence: StudyData) -> dict[Group, str]:
    """Return the first runs to exclude, with the reason."""
    return {
        group: f"{label(group)}: first run {ratio:.2f} times the fastest"
        for group, runs in evidence.groups().items()
        if (ratio := cold_start(runs)) is not None
    }


def warmup(evidence: StudyData) -> Observation:
    """Judge whether the first run of each mode is similar to the others."""
    several = [runs for runs in evidence.groups().values() if len(runs) > 1]
    missing = "" if several else "nothing was run more than once"
    clear = f"no first run of {len(several)} is {WARM_UP} times the fastest"
    wrong = list(cold_groups(evidence).values())
    return observation(
        WARMUP_MISSING, wrong, clear, missing, "these first runs are excluded below; warm up first"
    )


def cold_caches(evidence: StudyData) -> Observation:
    """Judge whether compared runs read about the same amount from disk."""
    pairs = list(_pairs(evidence))
    wrong = [
        f"{one.system}: {one.mode} read {one.inblock:,} blocks, {other.mode} {other.inblock:,}"
        for one, other in _cold_pairs(evidence)
    ]
    missing = "" if pairs else "blocks read from disk are not stored"
    remedy = "do not compare their wall times; repeat with a warm cache"
    return observation(COLD_CACHE_PAIR, wrong, f"{len(pairs)} pairs read about the same", missing, remedy)


def cold_tables(evidence: StudyData) -> set[str]:
    """Return the tables whose wall times must not be compared."""
    return {one.table for one, _ in _cold_pairs(evidence)}


def _cold_pairs(evidence: StudyData) -> list[tuple[Measurement, Measurement]]:
    return [
        (one, other) for one, other in _pairs(evidence) if is_cold_pair(one.inblock or 0, other.inblock or 0)
    ]


def _pairs(evidence: StudyData) -> Iterator[tuple[Measurement, Measurement]]:
    systems: dict[tuple[str, str], list[Measurement]] = {}
    for each in evidence.originals():
        if each.inblock is not None:
            systems.setdefault((each.table, each.system), []).append(each)
    for runs in systems.values():
        for place, one in enumerate(runs):
            yield from ((one, other) for other in runs[place + 1 :] if other.mode != one.mode)


def unaccounted_time(evidence: StudyData) -> Observation:
    """Judge how much of the wall time is neither computation nor conversion."""
    shares = unaccounted(evidence)
    if not shares:
        text = "no table splits its wall times"
        return Observation("not enough evidence", text, rule=UNACCOUNTED_TIME)
    over = {group: share for group, share in shares.items() if share > UNACCOUNTED_FLAG}
    worst = max(shares, key=lambda group: shares[group])
    most = f"{label(worst)} leaves {100 * shares[worst]:.1f} % of its wall time unaccounted for"
    if over:
        remedy = "it may contain conversions: give their share as a range; also time the creation of inputs"
        text = f"{len(over)} of {len(shares)} above 10 %: {most}"
        return Observation("flagged", text, remedy=remedy, rule=UNACCOUNTED_TIME)
    note = ", more than 5 %" if shares[worst] > UNACCOUNTED else ""
    return Observation("clear", f"at most: {most}{note}", rule=UNACCOUNTED_TIME)


def unaccounted(evidence: StudyData) -> dict[Group, float]:
    """Return the share of unaccounted wall time, by mode of a system."""
    shares = {group: unaccounted_share(runs) for group, runs in evidence.groups().items()}
    return {group: share for group, share in shares.items() if share is not None}


def threads(evidence: StudyData) -> Observation:
    """Judge whether all modes had the same threads in effect."""
    tables: dict[str, list[Measurement]] = {}
    for each in evidence.originals():
        if each.threads:
            tables.setdefault(each.table, []).append(each)
    wrong = [
        f"{table}: {' and '.join(sorted(different))} threads"
        for table, runs in tables.items()
        if (different := different_threads(runs))
    ]
    wrong += [f"journals: {key}" for key in _unequal_journals(evidence, ("threads",))]
    missing = "" if tables or len(evidence.journals) > 1 else _threads_missing(evidence)
    remedy = "pin threads before the libraries load, and record those in effect"
    return observation(THREADS_UNEQUAL, wrong, "threads in effect are the same", missing, remedy)


def _threads_missing(evidence: StudyData) -> str:
    wanted = any(
        "thread_environment" in report or "env_vars" in report for report in evidence.environments.values()
    )
    if wanted:
        return "the requested threads are stored, but not those in effect"
    return "threads in effect are not stored"


def hardware(evidence: StudyData) -> Observation:
    """Judge whether all journals come from equal machines and software."""
    keys = ("cpu", "processors", "gpu", "driver", "dtype", "python", "libraries")
    wrong = _unequal_journals(evidence, keys)
    missing = "" if len(evidence.journals) > 1 else "fewer than two runs record their machine and software"
    clear = f"{len(evidence.journals)} journals have the same machine and software"
    return observation(HARDWARE_UNEQUAL, wrong, clear, missing, "compare only runs on equal machines")


def _unequal_journals(evidence: StudyData, keys: tuple[str, ...]) -> list[str]:
    machines = [evidence_of(summary.journal) for summary in evidence.journals.values()]
    return [
        f"{each.name}: {' and '.join(dict.fromkeys((*each.before, *each.after)))}"
        for each in unequal(machines, (), ())
        if each.key in keys
    ]


def values(evidence: StudyData) -> Observation:
    """Judge whether modes compute the same, from the values printed in logs."""
    several = _values(evidence)
    wrong = [
        f"{system}: {', '.join(f'{mode} {value:.7g}' for mode, value in by_mode.items())}"
        for (_, system), by_mode in several.items()
        if not _alike(list(by_mode.values()))
    ]
    wrong += [text for _, text in _differing(evidence)]
    missing = "" if several or evidence.studies else "results of the modes are not stored, so they may differ"
    clear = f"the value printed in logs is equal in {len(several)} systems, to five figures"
    if evidence.studies:
        clear = "the experiment compared the values itself, on the same frames"
    return observation(
        VALUES_DIFFER, wrong, clear, missing, "compare results on the same frames before comparing speed"
    )


def bundles_with_other_values(evidence: StudyData) -> set[str]:
    """Return the bundles for which no speeds are given, because their modes compute different values."""
    logged = {
        bundle for (bundle, _), by_mode in _values(evidence).items() if not _alike(list(by_mode.values()))
    }
    return logged | {bundle for bundle, _ in _differing(evidence)}


def _differing(evidence: StudyData) -> Iterator[tuple[str, str]]:
    """Yield the value differences found by our own experiments: bundle and text."""
    for name, study in evidence.studies.items():
        problems = study.get("problems")
        for each in problems if isinstance(problems, list) else ():
            if isinstance(each, dict) and each.get("rule") == VALUES_DIFFER:
                yield name.partition("/")[0], f"{each.get('file')}: {each.get('text')}"


def _values(evidence: StudyData) -> dict[tuple[str, str], dict[str, float]]:
    """Return the values that several modes printed for a system of a bundle."""
    printed: dict[tuple[str, str], dict[str, float]] = {}
    for line in evidence.lines:
        number = _number(line.values.get("value"))
        if number is not None and line.system and line.mode:
            printed.setdefault((line.bundle, line.system), {})[line.mode] = number
    return {key: by_mode for key, by_mode in printed.items() if len(by_mode) > 1}


def _number(text: Any) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _alike(numbers: list[float]) -> bool:
    return all(math.isclose(each, numbers[0], rel_tol=SAME_VALUE) for each in numbers)
