"""Consistency checks of stored figures: processes ended well, times are valid, sums add up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.analysis.experiment_checks import accounted_s, is_time
from instrumented_calc.intake.checks.cases import observation
from instrumented_calc.intake.reading.measurements import ENDED, GOOD_END
from instrumented_calc.intake.reading.study_data import key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.analysis.observation import Observation
    from instrumented_calc.intake.reading.measurements import Measurement, Summarized
    from instrumented_calc.intake.reading.study_data import StudyData

# Recomputed from the same decimals, only the last bits can differ: 2.4e-12 in a published study.
SAME = 1e-9
# Formatted tables are rounded to milliseconds.
ROUNDED_S = 0.50001e-3


def checksums(evidence: StudyData) -> Observation:
    """Judge whether members match the checksums listed in their bundle."""
    missing = "" if evidence.right_sums else "no bundle lists the checksums of its members"
    clear = f"{evidence.right_sums} members match the list in their bundle"
    remedy = "get the bundle again from its author"
    return observation("checksums", evidence.wrong_sums, clear, missing, remedy)


def return_codes(evidence: StudyData) -> Observation:
    """Judge whether every process ended normally."""
    timed = [each for each in evidence.measurements if each.returncode is not None]
    wrong = [f"{each.system} {each.mode} ended with {each.returncode}" for each in timed if each.returncode]
    jobs = [line for line in evidence.lines if ENDED in line.values]
    wrong += [f"{line.log} reports {line.values[ENDED]}" for line in jobs if line.values[ENDED] != GOOD_END]
    missing = "" if timed or jobs else "no return code is stored"
    clear = f"{len(timed)} processes ended with 0"
    clear += f", as did the jobs of {len(jobs)} batch system logs" if jobs else ""
    return observation("return-codes", wrong, clear, missing, "repeat these runs")


def finite_values(evidence: StudyData) -> Observation:
    """Judge whether every time is valid."""
    wrong = [
        f"{each.system} {each.mode}: {name} is {value}"
        for each in evidence.measurements
        for name, value in _times(each)
        if value is None or not math.isfinite(value) or value < 0 or (name == "wall_s" and value == 0)
    ]
    missing = "" if evidence.measurements else "no times are stored"
    clear = f"{len(evidence.measurements)} runs have finite times above 0"
    return observation("finite-values", wrong, clear, missing, "omit these, or repeat the runs")


def _times(each: Measurement) -> Iterator[tuple[str, float | None]]:
    yield "wall_s", each.wall_s
    for name in ("compute_s", "conv_in_s", "conv_out_s", "time_per_n2"):
        value = getattr(each, name)
        if value is not None:
            yield name, value


def parts_within_wall(evidence: StudyData) -> Observation:
    """Judge whether the parts of the wall time are no longer than the whole."""
    timed = [each for each in evidence.measurements if is_time(each.wall_s) and is_time(each.compute_s)]
    wrong = [
        f"{each.system} {each.mode}: parts of {accounted_s(each):.6g} s in {each.wall_s:.6g} s"
        for each in timed
        if accounted_s(each) > (each.wall_s or 0.0) * (1 + SAME)
    ]
    missing = "" if timed else "no table splits its wall times"
    return observation(
        "parts-within-wall", wrong, f"true of {len(timed)} runs", missing, "find the part that is timed twice"
    )


def summary_recomputed(evidence: StudyData) -> Observation:
    """Judge whether summaries agree with the runs stored with them."""
    wrong, largest, compared = [], 0.0, 0
    for row in evidence.summaries:
        runs = _runs_of(row, evidence)
        if not runs:
            continue
        compared += 1
        for name, stored, computed in _recomputed(row, runs):
            off = abs(stored - computed) / max(abs(stored), abs(computed), 1e-300)
            largest = max(largest, off)
            # A standard deviation of equal times is only rounding.
            if not (off <= SAME or abs(stored - computed) <= SAME * abs(row.wall_mean or 0.0)):
                wrong.append(f"{row.system} {row.mode}: {name} is {stored:.6g}, its runs give {computed:.6g}")
    wrong += [text for name, stored in evidence.profiles.items() for text in _profile(name, stored)]
    compared += len(evidence.profiles)
    missing = "" if compared else "no summary is stored with its runs"
    clear = f"{compared} summaries agree with their runs (n - 1 in the deviation), to {largest:.1e}"
    return observation("summary-recomputed", wrong, clear, missing, "use the runs, not the summary")


def _runs_of(row: Summarized, evidence: StudyData) -> list[Measurement]:
    """Return the runs summed up in a row: those of the table with the same count."""
    bundle = row.table.partition("/")[0]
    tables: dict[str, list[Measurement]] = {}
    for each in evidence.measurements:
        same = (each.system, each.mode) == (row.system, row.mode) and row.tag in {"", each.tag}
        if same and each.table.partition("/")[0] == bundle:
            tables.setdefault(each.table, []).append(each)
    fitting = [runs for runs in tables.values() if row.runs is None or len(runs) == row.runs]
    return max(fitting or tables.values(), key=len, default=[])


def _recomputed(row: Summarized, runs: list[Measurement]) -> Iterator[tuple[str, float, float]]:
    if row.runs is not None:
        yield "runs", float(row.runs), float(len(runs))
    sources = (
        ("wall_mean", "wall_s"),
        ("tn2_mean", "time_per_n2"),
        ("conv_in_mean", "conv_in_s"),
        ("conv_out_mean", "conv_out_s"),
    )
    for name, column in sources:
        stored, values = getattr(row, name), [getattr(each, column) for each in runs]
        if stored is not None and all(value is not None for value in values):
            yield name, stored, float(np.mean(values))
    walls = [each.wall_s for each in runs]
    if row.wall_std is not None and len(walls) > 1 and all(wall is not None for wall in walls):
        yield "wall_std", row.wall_std, float(np.std(np.array(walls, float), ddof=1))


def _profile(name: str, stored: dict[str, Any]) -> Iterator[str]:
    """Compare the summary in a result of the MLFF-Distiller profiler with its own latencies."""
    times = stored.get("latencies_ms")
    if not isinstance(times, list) or not times:
        return
    try:
        values = np.array(times, np.float64)
        computed = {
            "mean_latency_ms": [values.mean()],
            "median_latency_ms": [np.median(values)],
            "min_latency_ms": [values.min()],
            "max_latency_ms": [values.max()],
            # That profiler divides by n, ours by n - 1.
            "std_latency_ms": [values.std(), values.std(ddof=1) if len(values) > 1 else 0.0],
        }
        for key, candidates in computed.items():
            if key in stored and not any(
                math.isclose(stored[key], each, rel_tol=1e-6, abs_tol=1e-9) for each in candidates
            ):
                yield f"{name}: {key} is {stored[key]:.6g}, its latencies give {candidates[0]:.6g}"
    except (TypeError, ValueError):
        yield f"{name}: its latencies are not numbers"


def tables_agree(evidence: StudyData) -> Observation:
    """Judge whether tables that repeat recorded runs have the same values."""
    records = evidence.records()
    wrong, compared = [], 0
    for each in evidence.measurements:
        record = records.get(key(each))
        if each.recorded or record is None:
            continue
        if each.wall_s is None or record.wall_s is None:
            continue
        compared += 1
        if abs(each.wall_s - record.wall_s) > max(SAME * record.wall_s, ROUNDED_S):
            seen = f"{each.wall_s:.6g} s in {each.table}, {record.wall_s:.6g} s as measured"
            wrong.append(f"{each.system} {each.mode}: {seen}")
    missing = "" if compared else "no table repeats recorded runs"
    return observation("tables-agree", wrong, f"{compared} repeated times agree", missing, "use the records")
