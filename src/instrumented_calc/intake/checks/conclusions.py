"""Supported and unsupported conclusions from stored results, in sentences with figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.experiment_checks import (
    COLD_CACHE_PAIR,
    HARDWARE_UNEQUAL,
    SINGLE_RUN,
    THREADS_UNEQUAL,
    UNACCOUNTED_FLAG,
    VALUES_DIFFER,
    accounted_s,
    in_order,
    is_time,
)
from instrumented_calc.analysis.statistics.student_t import difference_of_means
from instrumented_calc.intake.checks.backend_labels import unverified
from instrumented_calc.intake.checks.cases import some
from instrumented_calc.intake.checks.comparability import (
    bundles_with_other_values,
    cold_groups,
    cold_tables,
    unaccounted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from instrumented_calc.analysis.observation import Observation
    from instrumented_calc.intake.reading.study_data import Group, StudyData

BASELINES = ("numpy_only", "numpy", "upstream")
MANY_ATOMS = 3


@dataclass(frozen=True, slots=True)
class ModeRatio:
    """Relative time of one mode to another, on one system of one table.

    Attributes:
        table: The table.
        system: The system.
        baseline: The mode used as the reference.
        mode: The mode.
        tag: Further key of the runs.
        value: Mean time over the baseline's (of logarithms).
        low: Lower end of its 95 % interval, or None without replicates.
        high: Upper end of the interval.
        runs: Runs of the baseline and the mode, without excluded ones.
    """

    table: str
    system: str
    baseline: str
    mode: str
    tag: str
    value: float
    low: float | None
    high: float | None
    runs: tuple[int, int]

    @property
    def clear(self) -> bool:
        """Whether the interval excludes equal times."""
        return self.low is not None and self.high is not None and (self.low > 1 or self.high < 1)


def ratios(evidence: StudyData) -> list[ModeRatio]:
    """Compare every mode with the baseline of its table."""
    groups, cold = evidence.groups(), cold_groups(evidence)
    times = {
        group: np.array(
            [
                np.log(each.wall_s)
                for each in in_order(runs)[1 if group in cold else 0 :]
                if is_time(each.wall_s) and each.wall_s
            ],
            np.float64,
        )
        for group, runs in groups.items()
    }
    return [found for group in groups if (found := _ratio(group, times)) is not None]


def _ratio(group: Group, times: dict[Group, NDArray[np.float64]]) -> ModeRatio | None:
    table, system, mode, tag = group
    baseline = next((name for name in BASELINES if (table, system, name, tag) in times), None)
    if baseline is None or mode == baseline:
        return None
    before, after = times[table, system, baseline, tag], times[group]
    if not len(before) or not len(after):
        return None
    runs = (len(before), len(after))
    # A single run on one side borrows the other's scatter: not enough for a verdict on data from elsewhere.
    found = difference_of_means(before, after) if min(runs) > 1 else None
    value = float(np.exp(after.mean() - before.mean()))
    if found is None:
        return ModeRatio(table, system, baseline, mode, tag, value, None, None, runs)
    interval = found.exponential()
    return ModeRatio(table, system, baseline, mode, tag, value, interval.low, interval.high, runs)


def supported(evidence: StudyData, found: Sequence[ModeRatio], checks: Sequence[Observation]) -> list[str]:
    """Return the supported conclusions."""
    lines = [*_speed_sentences(found, evidence), *_conversions(evidence)]
    journals = [name for name, summary in evidence.journals.items() if summary.latency is not None]
    if journals:
        lines.append(f"latencies, call by call, of the recorded runs: {some(journals)}")
    if any(row.rule == "summary-recomputed" and row.verdict == "clear" for row in checks):
        lines.append("the published summaries, as far as their runs are stored: they can be recomputed")
    return lines


def _conversions(evidence: StudyData) -> Iterator[str]:
    """Give the share of conversions of each mode, as a range if some time is unaccounted for."""
    shares: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for (table, _, mode, _), runs in evidence.groups().items():
        timed = [each for each in runs if is_time(each.conv_in_s) and is_time(each.wall_s) and each.wall_s]
        spent = sum((each.conv_in_s or 0.0) + (each.conv_out_s or 0.0) for each in timed)
        if spent:
            walls = sum(each.wall_s or 0.0 for each in timed)
            left = max(0.0, walls - sum(map(accounted_s, timed))) if is_time(timed[0].compute_s) else 0.0
            shares.setdefault((table, mode), []).append((spent / walls, (spent + left) / walls))
    for (table, mode), ranges in shares.items():
        low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
        yield f"{table}: conversions take {100 * low:.1f} to {100 * high:.1f} % of the wall time of {mode}"


def _speed_sentences(found: Sequence[ModeRatio], evidence: StudyData) -> Iterator[str]:
    doubted, cold = unverified(evidence), cold_tables(evidence)
    wrong = bundles_with_other_values(evidence)
    for table, mode in dict.fromkeys((each.table, each.mode) for each in found):
        ours = [each for each in found if (each.table, each.mode) == (table, mode)]
        clear = [each for each in ours if each.clear]
        bundle = table.partition("/")[0]
        if not clear or table in cold or bundle in wrong:
            continue
        low, high = (f"{end([each.value for each in clear]):.3g}" for end in (min, max))
        extent = low if low == high else f"{low} to {high}"
        what = f"the code run under the label {mode}" if (bundle, mode) in doubted else mode
        yield (
            f"{table}: {what} took {extent} times as long as {clear[0].baseline}, beyond the scatter of its"
            f" runs in {len(clear)} of {len(ours)} systems"
        )


def not_supported(
    evidence: StudyData, found: Sequence[ModeRatio], checks: Sequence[Observation]
) -> list[str]:
    """Return the unsupported conclusions, with the reason."""
    verdicts = {each.rule: each for each in checks}
    lines = [
        f"any statement about the backend named by label {mode} of {bundle}: {reason}"
        for (bundle, mode), reason in unverified(evidence).items()
    ]
    values = verdicts[VALUES_DIFFER]
    if values.verdict != "clear" and evidence.measurements:
        lines.append(f"that the modes compute the same: {values.text}")
    if verdicts[SINGLE_RUN].flagged:
        lines.append(f"an interval, and so a verdict, from a single run ({verdicts[SINGLE_RUN].text})")
    unclear = [f"{each.system} {each.mode}" for each in found if each.low is not None and not each.clear]
    if unclear:
        lines.append(f"a difference in {some(unclear)}: the intervals include equal times")
    for rule, what in (
        (COLD_CACHE_PAIR, "a comparison of wall times"),
        (THREADS_UNEQUAL, "a comparison at equal threads"),
        (HARDWARE_UNEQUAL, "a comparison between machines"),
        ("component-split-cached", "a split into energy and forces"),
    ):
        if verdicts[rule].flagged or (
            rule == THREADS_UNEQUAL and evidence.measurements and _open(verdicts[rule])
        ):
            lines.append(f"{what}: {verdicts[rule].text}")
    open_shares = [share for share in unaccounted(evidence).values() if share > UNACCOUNTED_FLAG]
    if open_shares:
        lines.append(
            f"a share of conversions as one number: up to {100 * max(open_shares):.0f} % of the wall time is"
            " unaccounted for"
        )
    tables = {each.table for each in evidence.originals()}
    if len(tables) > 1:
        lines.append(f"a ranking across the {len(tables)} tables: they are different experiments")
    lines += list(_species(evidence))
    return lines


def _open(found: Observation) -> bool:
    return found.verdict == "not enough evidence"


def _species(evidence: StudyData) -> Iterator[str]:
    """Note a scaling claim from systems that do not support one."""
    scaled = [each for each in evidence.measurements if each.time_per_n2 is not None and each.n_atoms]
    sizes = {each.n_atoms for each in scaled if each.n_atoms}
    if scaled and len(sizes) < MANY_ATOMS:
        yield (
            f"an exponent of the time in N: the tables have N = {some(list(map(str, sorted(sizes))))} only"
        )
