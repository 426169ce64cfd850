"""Decide why torch is, or is not, faster on one input: one of four decisions, with its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.experiment_checks import VALUES_DIFFER
from instrumented_calc.analysis.statistics.student_t import Estimate, difference_of_means, t_quantile
from instrumented_calc.analysis.study.cells import FULL, MIXED, MODES, NUMPY, of_mode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from instrumented_calc.analysis.study.cells import StudyCell
    from instrumented_calc.analysis.study.checks import Problem

CONVERSION, KERNEL, OVERHEAD, INCONCLUSIVE = (
    "conversion-bound",
    "kernel/threading",
    "overhead-bound",
    "inconclusive",
)
LARGE_SHARE = 0.20  # of torch_mixed's time in conversions
CONFIDENCE = 0.99  # for a significant difference
ALIKE = 1.25  # both torch modes are similar if neither is significantly faster, or by at most this factor
NEAR_DISPATCH = 3.0  # an operation within this factor of the smallest one is mostly dispatch
FEWER = 10.0  # this many times fewer contractions mean another algorithm
PAIRS_OF_MODES = ((MIXED, NUMPY), (FULL, NUMPY), (FULL, MIXED))


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on one input.

    Attributes:
        file: Name of the input.
        tag: dtype, device and whether it was compiled.
        decision: One of the four decisions.
        reasons: The evidence, in numbers.
        refused: Rules that forbid a verdict; empty if none do.
        ratios: Time of the first mode over that of the second, with 99 % intervals; None if values differ.
        share: Least and largest share of torch_mixed's time in conversions; None if not measured.
    """

    file: str
    tag: str
    decision: str
    reasons: tuple[str, ...]
    refused: tuple[str, ...] = ()
    ratios: Mapping[tuple[str, str], Estimate] | None = None
    share: tuple[Estimate, Estimate] | None = None


def decide(
    file: str, tag: str, cells: Sequence[StudyCell], problems: Sequence[Problem], dispatch_s: float | None
) -> Decision:
    """Decide on one input.

    Args:
        file: Name of the input.
        tag: Tag of the torch modes.
        cells: Finished cells of all modes, without excluded ones.
        problems: Failed checks of these cells.
        dispatch_s: Time of the smallest possible torch contraction here, s; None if not measured.
    """
    refused = tuple(dict.fromkeys(each.rule for each in problems if each.blocks))
    if VALUES_DIFFER in refused:
        texts = [each.text for each in problems if each.rule == VALUES_DIFFER]
        return Decision(file, tag, INCONCLUSIVE, ("no speed verdict: " + "; ".join(texts),), refused)
    ratios = {pair: ratio for pair in PAIRS_OF_MODES if (ratio := _ratio(cells, *pair)) is not None}
    share = conversion_share(of_mode(cells, MIXED))
    reasons = [*_ratio_sentences(ratios), *_share_sentences(share)]
    if refused:
        reasons.insert(0, f"no verdict: {', '.join(refused)}")
        return Decision(file, tag, INCONCLUSIVE, tuple(reasons), refused, ratios, share)
    missing = [mode for mode in MODES if not of_mode(cells, mode)]
    if missing or len(ratios) < len(PAIRS_OF_MODES):
        reasons.insert(0, f"no times for {' and '.join(missing)}" if missing else "no intervals")
        return Decision(file, tag, INCONCLUSIVE, tuple(reasons), refused, ratios, share)
    operation = _operation(cells, dispatch_s)
    if operation is not None and dispatch_s:
        reasons.append(
            f"a torch einsum takes {operation * 1e6:.3g} us in torch_mixed, the smallest possible one"
            f" {dispatch_s * 1e6:.3g} us"
        )
    near = None if operation is None or not dispatch_s else operation <= NEAR_DISPATCH * dispatch_s
    decision, why = _pattern(ratios, share, near=near)
    batching = _batching(cells)
    reasons = ["; ".join([why, *batching]), *reasons]
    return Decision(file, tag, decision, tuple(reasons), refused, ratios, share)


def _pattern(
    ratios: Mapping[tuple[str, str], Estimate], share: tuple[Estimate, Estimate] | None, *, near: bool | None
) -> tuple[str, str]:
    mixed, full, between = (ratios[pair] for pair in PAIRS_OF_MODES)
    large = share is not None and share[0].low >= LARGE_SHARE
    small = share is not None and share[1].high < LARGE_SHARE
    if mixed.low > 1 and full.low > 1 and near:
        return (
            OVERHEAD,
            "torch is significantly slower in both modes, and its operations are mostly dispatch",
        )
    if between.high < 1 and large:
        return (
            CONVERSION,
            "without conversions torch is significantly faster, and conversions take a large share",
        )
    if mixed.high < 1 and full.high < 1 and _alike(between) and small:
        return (
            KERNEL,
            "both torch modes are significantly faster than NumPy, similarly so, and conversions take little",
        )
    if all(each.low <= 1 <= each.high for each in ratios.values()):
        return INCONCLUSIVE, "no mode is significantly faster than another: all intervals contain 1"
    return INCONCLUSIVE, "the times match none of the three patterns: " + _what_lacks(
        ratios, share, near=near
    )


def _alike(between: Estimate) -> bool:
    return between.low <= 1 <= between.high or 1 / ALIKE < between.value < ALIKE


def _what_lacks(
    ratios: Mapping[tuple[str, str], Estimate],
    share: tuple[Estimate, Estimate] | None,
    *,
    near: bool | None,
) -> str:
    mixed, full, between = (ratios[pair] for pair in PAIRS_OF_MODES)
    lacks = []
    if share is None:
        lacks.append("conversions were not timed")
    elif between.high < 1 and share[0].low < LARGE_SHARE:
        lacks.append(
            f"torch_full beats torch_mixed, but conversions do not significantly exceed {LARGE_SHARE:.0%}"
        )
    if mixed.high >= 1 > full.high:
        lacks.append("only torch_full is significantly faster than NumPy")
    if not _alike(between):
        lacks.append("the torch modes differ in speed")
    if mixed.low > 1 and full.high >= 1 >= full.low:
        lacks.append("torch_full is neither significantly faster nor significantly slower than NumPy")
    if mixed.low > 1 and near is False:
        lacks.append("operations take much longer than dispatch")
    if mixed.low > 1 and near is None:
        lacks.append("the time of an operation was not measured")
    return "; ".join(lacks) or "some intervals contain 1"


def _ratio(cells: Sequence[StudyCell], mode: str, other: str) -> Estimate | None:
    """Return the time of a mode over that of another, with Welch's interval on logarithms at 99 %."""
    ours, theirs = (
        np.log([each.wall_s or np.nan for each in of_mode(cells, name)]) for name in (mode, other)
    )
    difference = difference_of_means(theirs, ours)
    if difference is None:
        return None
    # Three ratios are tested: at 95 % one of them would too often differ from 1 by chance.
    freedom = max(min(len(ours), len(theirs)) - 1, 1)
    wider = t_quantile(freedom, CONFIDENCE) / t_quantile(freedom)
    value = difference.value
    low, high = (value + wider * (end - value) for end in (difference.low, difference.high))
    return Estimate(value, low, high).exponential()


def conversion_share(cells: Sequence[StudyCell]) -> tuple[Estimate, Estimate] | None:
    """Return the least and the largest share of the time in conversions, each with its interval.

    The largest share counts all unaccounted time as conversion.

    Args:
        cells: Finished cells of a mode.
    """
    known = [each for each in cells if each.conversion_s is not None and each.wall_s]
    if not known:
        return None
    least = np.array([(each.conversion_s or 0) / (each.wall_s or 1) for each in known])
    hidden = np.array([max(each.unaccounted_s or 0, 0) / (each.wall_s or 1) for each in known])
    return _interval(least), _interval(least + hidden)


def _interval(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Estimate:
    mean = float(values.mean())
    if len(values) == 1:
        return Estimate(mean, 0.0, 1.0)
    reach = t_quantile(len(values) - 1) * float(values.std(ddof=1)) / len(values) ** 0.5
    return Estimate(mean, mean - reach, mean + reach)


def _operation(cells: Sequence[StudyCell], dispatch_s: float | None) -> float | None:
    known = [
        each.executed.operation_s
        for each in of_mode(cells, MIXED)
        if each.executed and each.executed.operation_s is not None
    ]
    return float(np.median(known)) if known and dispatch_s else None


def _ratio_sentences(ratios: Mapping[tuple[str, str], Estimate]) -> list[str]:
    return [
        f"{mode} takes {each.value:.3g} [{each.low:.3g}, {each.high:.3g}] times as long as {other} (99 %)"
        for (mode, other), each in ratios.items()
    ]


def _share_sentences(share: tuple[Estimate, Estimate] | None) -> list[str]:
    if share is None:
        return []
    least, most = (f"{each.value:.1%}" for each in share)
    between = least if least == most else f"{least} to {most}"
    return [f"conversions take {between} of torch_mixed"]


def _batching(cells: Sequence[StudyCell]) -> list[str]:
    """Return a remark if the torch modes run different algorithms."""
    numbers = [
        [each.executed.torch_contractions for each in of_mode(cells, mode) if each.executed]
        for mode in (MIXED, FULL)
    ]
    mixed, full = (float(np.mean(each)) if each else 0.0 for each in numbers)
    if not full or mixed < FEWER * full:
        return []
    gain = "part of its gain is batching, not torch alone"
    return [f"torch_full does {full:.0f} contractions, torch_mixed {mixed:.0f}: {gain}"]
