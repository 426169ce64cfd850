"""Savings that findings state, against what the twin without the fault shows: a table, and its page."""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timezone
from statistics import median
from typing import TYPE_CHECKING

from tests.diagnosis.score import SAVING_ERROR

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.diagnosis.score import Scored

# An upper limit holds if no more than this share of the time is saved beyond it: the scatter of twins.
SLACK = 0.05
HEAD = """# Estimated and measured savings

A finding that states a saving is tested on programs with a planted fault, each beside a twin without it. It
is read from a recorded run of the program. The measured saving is the share of the time that the twin does
not need, where neither is recorded: the median of {pairs}, with the lowest and the highest.
`about` is an estimate, `at most` an upper limit. To make this page anew:

<!-- not run: takes an hour -->
```bash
python -m tests.diagnosis --savings --pairs 3 --page docs/guide/calibration.md
```

{machine}

"""


@dataclass(frozen=True)
class CalibratedSaving:
    """A finding's saving, as shares of the wall time.

    Attributes:
        case: The case of the bench.
        rule: The finding's rule.
        kind: `about` or `at most`.
        said: What the finding states.
        measured: What each twin shows, ascending.
    """

    case: str
    rule: str
    kind: str
    said: float
    measured: tuple[float, ...]

    @property
    def typical(self) -> float:
        """The median of the measured savings."""
        return median(self.measured)

    @property
    def holds(self) -> bool:
        """Whether an estimate is within 25 % of the measured saving, or an upper limit is not exceeded."""
        if self.kind == "about":
            return abs(self.said - self.typical) <= SAVING_ERROR * abs(self.typical)
        return self.typical <= self.said + SLACK


def savings_of(table: Sequence[Scored]) -> list[CalibratedSaving]:
    """Return the right findings that state a saving and were measured, estimates first, by rule."""
    found = []
    for scored in table:
        flagged = scored.planted.flagged if scored.planted is not None and scored.measured else []
        for each in flagged:
            if each.rule in scored.planted.case.answers and each.saving_share is not None:
                measured = tuple(sorted(scored.measured))
                kind = each.saving_kind or "at most"
                found.append(CalibratedSaving(scored.name, each.rule, kind, each.saving_share, measured))
                break
    return sorted(found, key=lambda each: (each.kind, each.rule, each.case))


def calibration_table(savings: Sequence[CalibratedSaving]) -> Iterator[str]:
    """Yield a Markdown table of all savings, in % of the time."""
    yield "| finding | planted fault | kind | estimated, % | measured, % | lowest to highest | holds |"
    yield "|---|---|---|--:|--:|--:|---|"
    for each in savings:
        low, high = f"{100 * each.measured[0]:.0f}", f"{100 * each.measured[-1]:.0f}"
        spread = f"{low} to {high}" if len(each.measured) > 1 else "-"
        figures = f"{100 * each.said:.0f} | {100 * each.typical:.0f} | {spread}"
        holds = "yes" if each.holds else "NO"
        yield f"| `{each.rule}` | {each.case} | {each.kind} | {figures} | {holds} |"


def calibration_error(savings: Sequence[CalibratedSaving]) -> Iterator[str]:
    """Yield the error of the estimates and of the upper limits, one line each."""
    kinds = defaultdict(list)
    for each in savings:
        kinds[each.kind].append(each)
    about, most = kinds["about"], kinds["at most"]
    if about:
        within = sum(each.holds for each in about)
        off = median(abs(each.said - each.typical) for each in about)
        ratios = sorted(each.said / each.typical for each in about if each.typical > 0)
        yield (
            f"estimates: {within} of {len(about)} within {100 * SAVING_ERROR:.0f} % of the measured saving;"
            f" median error {100 * off:.1f} % of the time"
        )
        if ratios:
            spread = f"from {ratios[0]:.2f} to {ratios[-1]:.2f}"
            yield f"estimated / measured, where there was a saving: median {median(ratios):.2f}, {spread}"
    if most:
        yield (
            f"upper limits: {sum(each.holds for each in most)} of {len(most)} hold"
            f" (at most {100 * SLACK:.0f} % of the time beyond)"
        )


def machine_words(load_before: float, load_after: float, *, loaded: bool) -> str:
    """Return the kind of machine, its load and the date."""
    processors = os.cpu_count() or 1
    words = (
        f"Measured on {datetime.now(timezone.utc):%d %B %Y}: {platform.system()} on {platform.machine()},"
        f" {processors} processors, Python {platform.python_version()}; load average {load_before:.1f} at the"
        f" start, {load_after:.1f} at the end."
    )
    if loaded or min(load_before, load_after) > processors:
        words += " Other programs kept the processors busy, so a single measured saving may be far off."
    return words


def write_page(path: Path, savings: Sequence[CalibratedSaving], pairs: int, machine: str) -> None:
    """Write the page of the documentation."""
    twins = "one pair of runs" if pairs == 1 else f"{pairs} pairs of runs"
    errors = [f"- {each}" for each in calibration_error(savings)]
    lines = [*errors, "", *calibration_table(savings), ""]
    path.write_text(HEAD.format(pairs=twins, machine=machine) + "\n".join(lines), encoding="utf-8")
