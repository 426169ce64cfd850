"""Checks before comparing times: replicates, warm-up, caches, threads, values, unaccounted time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.comparison.hardware import evidence_of, unequal
from instrumented_calc.analysis.study.checks import UNACCOUNTED, UNACCOUNTED_FLAG, WARM_UP, cold_cache
from instrumented_calc.intake.checks.consistency import known, usable
from instrumented_calc.intake.checks.ruling import Ruling, label, ruling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.intake.reading.measurements import Measurement
    from instrumented_calc.intake.reading.study_data import Group, StudyData

# Logs print seven digits.
SAME_VALUE = 1e-5


def single_runs(evidence: StudyData) -> Ruling:
    """Judge whether every mode was run more than once."""
    groups = evidence.groups()
    wrong = [label(group) for group, runs in groups.items() if len(runs) == 1]
    missing = "" if groups else "no runs are stored"
    clear = f"{len(groups)} modes of systems have at least {min(map(len, groups.values()), default=0)} runs"
    return ruling("n-runs-1", wrong, clear, missing, "repeat each five times or more, interleaved")


def cold_groups(evidence: StudyData) -> dict[Group, str]:
    """Return the first runs to exclude, with the reason."""
    found = {}
    for group, runs in evidence.groups().items():
        walls = [each.wall_s for each in in_order(runs) if usable(each.wall_s)]
        times = [wall for wall in walls if wall]
        if len(times) < 2 or any(each.warmed_up for each in runs):  # noqa: PLR2004 - first and another
            continue
        ratio = times[0] / min(times)
        if ratio > WARM_UP:
            found[group] = f"{label(group)}: first run {ratio:.2f} times the fastest"
    return found


def in_order(runs: list[Measurement]) -> list[Measurement]:
    """Return runs in the order of their repetition."""
    return sorted(runs, key=lambda each: each.rep or 0)


def warmup(evidence: StudyData) -> Ruling:
    """Judge whether the first run of each mode is similar to the others."""
    several = [runs for runs in evidence.groups().values() if len(runs) > 1]
    missing = "" if several else "nothing was run more than once"
    clear = f"no first run of {len(several)} is {WARM_UP} times the fastest"
    wrong = list(cold_groups(evidence).values())
    return ruling(
        "warmup-missing", wrong, clear, missing, "these first runs are excluded below; warm up first"
    )


def cold_caches(evidence: StudyData) -> Ruling:
    """Judge whether compared runs read about the same amount from disk."""
    pairs = list(_pairs(evidence))
    wrong = [
        f"{one.system}: {one.mode} read {one.inblock:,} blocks, {other.mode} {other.inblock:,}"
        for one, other in _cold_pairs(evidence)
    ]
    missing = "" if pairs else "blocks read from disk are not stored"
    remedy = "do not compare their wall times; repeat with a warm cache"
    return ruling("cold-cache-pair", wrong, f"{len(pairs)} pairs read about the same", missing, remedy)


def cold_tables(evidence: StudyData) -> set[str]:
    """Return the tables whose wall times must not be compared."""
    return {one.table for one, _ in _cold_pairs(evidence)}


def _cold_pairs(evidence: StudyData) -> list[tuple[Measurement, Measurement]]:
    return [
        (one, other) for one, other in _pairs(evidence) if cold_cache(one.inblock or 0, other.inblock or 0)
    ]


def _pairs(evidence: StudyData) -> Iterator[tuple[Measurement, Measurement]]:
    told: dict[tuple[str, str], list[Measurement]] = {}
    for each in evidence.originals():
        if each.inblock is not None:
            told.setdefault((each.table, each.system), []).append(each)
    for runs in told.values():
        for place, one in enumerate(runs):
            yield from ((one, other) for other in runs[place + 1 :] if other.mode != one.mode)


def unaccounted_time(evidence: StudyData) -> Ruling:
    """Judge how much of the wall time is neither computation nor conversion."""
    rule, shares = "unaccounted-time", unaccounted(evidence)
    if not shares:
        return Ruling(rule, "not enough evidence", "no table splits its wall times")
    over = {group: share for group, share in shares.items() if share > UNACCOUNTED_FLAG}
    worst = max(shares, key=lambda group: shares[group])
    said = f"{label(worst)} leaves {100 * shares[worst]:.1f} % of its wall time unaccounted for"
    if over:
        remedy = "it may contain conversions: give their share as a range; also time the creation of inputs"
        return Ruling(rule, "flagged", f"{len(over)} of {len(shares)} above 10 %: {said}", remedy)
    note = ", more than 5 %" if shares[worst] > UNACCOUNTED else ""
    return Ruling(rule, "clear", f"at most: {said}{note}")


def unaccounted(evidence: StudyData) -> dict[Group, float]:
    """Return the share of unaccounted wall time, by mode of a system."""
    found = {}
    for group, runs in evidence.groups().items():
        told = [each for each in runs if usable(each.compute_s) and usable(each.wall_s) and each.wall_s]
        if told:
            walls = sum(each.wall_s or 0.0 for each in told)
            found[group] = max(0.0, 1 - sum(map(known, told)) / walls)
    return found


def threads(evidence: StudyData) -> Ruling:
    """Judge whether all modes had the same threads in effect."""
    told: dict[str, set[str]] = {}
    for each in evidence.originals():
        if each.threads:
            told.setdefault(each.table, set()).add(each.threads)
    wrong = [
        f"{table}: {' and '.join(sorted(seen))} threads" for table, seen in told.items() if len(seen) > 1
    ]
    wrong += [f"journals: {key}" for key in _unequal_journals(evidence, ("threads",))]
    missing = "" if told or len(evidence.journals) > 1 else _threads_missing(evidence)
    remedy = "pin threads before the libraries load, and record those in effect"
    return ruling("threads-unequal", wrong, "threads in effect are the same", missing, remedy)


def _threads_missing(evidence: StudyData) -> str:
    wanted = any(
        "thread_environment" in report or "env_vars" in report for report in evidence.environments.values()
    )
    if wanted:
        return "the requested threads are stored, but not those in effect"
    return "threads in effect are not stored"


def hardware(evidence: StudyData) -> Ruling:
    """Judge whether all journals come from equal machines and software."""
    keys = ("cpu", "processors", "gpu", "driver", "dtype", "python", "libraries")
    wrong = _unequal_journals(evidence, keys)
    missing = "" if len(evidence.journals) > 1 else "fewer than two runs record their machine and software"
    clear = f"{len(evidence.journals)} journals have the same machine and software"
    return ruling("hardware-unequal", wrong, clear, missing, "compare only runs on equal machines")


def _unequal_journals(evidence: StudyData, keys: tuple[str, ...]) -> list[str]:
    told = [evidence_of(summary.journal) for summary in evidence.journals.values()]
    return [
        f"{each.name}: {' and '.join(dict.fromkeys((*each.before, *each.after)))}"
        for each in (unequal(told, (), ()) if told else ())
        if each.key in keys
    ]


def values(evidence: StudyData) -> Ruling:
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
    return ruling(
        "values-differ", wrong, clear, missing, "compare results on the same frames before comparing speed"
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
            if isinstance(each, dict) and each.get("rule") == "values-differ":
                yield name.partition("/")[0], f"{each.get('file')}: {each.get('text')}"


def _values(evidence: StudyData) -> dict[tuple[str, str], dict[str, float]]:
    """Return the values that several modes printed for a system of a bundle."""
    told: dict[tuple[str, str], dict[str, float]] = {}
    for line in evidence.lines:
        number = _number(line.values.get("value"))
        if number is not None and line.system and line.mode:
            told.setdefault((line.bundle, line.system), {})[line.mode] = number
    return {key: by_mode for key, by_mode in told.items() if len(by_mode) > 1}


def _number(text: Any) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _alike(numbers: list[float]) -> bool:
    return all(math.isclose(each, numbers[0], rel_tol=SAME_VALUE) for each in numbers)
