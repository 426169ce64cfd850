"""The score of the bench: faults named, healthy runs accused, savings said and measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules import soundness

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.diagnosis.bench import Outcome

    from instrumented_calc.analysis.rules.finding import RuleFinding

SOUNDNESS = {rule.name for rule in soundness.RULES}
SAVING_ERROR = 0.25


@dataclass(frozen=True)
class Scored:
    """A case of the bench after it ran.

    Attributes:
        name: Its name.
        planted: The run with its fault, if it has one.
        healthy: The run without, if it has one.
        measured: Measured shares of the time that mending it saves, each of two runs side by side.
    """

    name: str
    planted: Outcome | None
    healthy: Outcome | None
    measured: tuple[float, ...] = ()

    @property
    def verdict(self) -> str:
        """`first`, `second`, `lower`, `wrong` (only other findings), `silent`, or empty without a fault."""
        if self.planted is None:
            return ""
        rank = self.planted.rank
        if rank is None:
            return "wrong" if self.planted.alarms else "silent"
        return {1: "first", 2: "second"}.get(rank, "lower")

    @property
    def accused(self) -> str:
        """The false findings on the healthy run."""
        return ", ".join(each.rule for each in self.false_alarms)

    @property
    def false_alarms(self) -> list[RuleFinding]:
        """The findings on the healthy run that are none of its true costs."""
        if self.healthy is None:
            return []
        return [each for each in self.healthy.alarms if each.rule not in self.healthy.case.true_costs]

    @property
    def saving(self) -> tuple[float, float] | None:
        """The share of the time that mending is said to save, and what it saves, or None."""
        said = self.planted.said_share if self.planted else None
        if said is None or not self.measured:
            return None
        return said, sorted(self.measured)[len(self.measured) // 2]


def measured_share(planted: Outcome, healthy: Outcome) -> float:
    """Return the share of the time that the run without the fault saves."""
    return 1 - healthy.ms_per_step / planted.ms_per_step


def line(scored: Scored) -> str:
    """Return the row of a case in the table."""
    saving = scored.saving
    words = "" if saving is None else f"{100 * saving[0]:.0f} / {100 * saving[1]:.0f}"
    notes = []
    if scored.verdict in {"wrong", "silent", "lower"} and scored.planted is not None:
        notes.append(f"wanted {', '.join([*scored.planted.case.answers, *scored.planted.case.places])}")
        notes.append(f"got {', '.join(each.rule for each in scored.planted.flagged) or 'nothing'}")
        notes.append(f"places {', '.join(scored.planted.large_places[:3]) or 'none'}")
    notes += [f"false: {each.rule}: {each.headline}" for each in scored.false_alarms]
    return f"{scored.name:48} {scored.verdict:7} {words:>9}  {'; '.join(notes)}".rstrip()


def totals(table: Sequence[Scored]) -> Iterator[str]:
    """Yield the totals of the table, one line each."""
    faults = [each.verdict for each in table if each.planted is not None]
    named = faults.count("first") + faults.count("second")
    rest = ", ".join(
        f"{faults.count(each)} {each}" for each in ("first", "second", "lower", "wrong", "silent")
    )
    yield f"faults: {named} of {len(faults)} named first or second ({rest})"
    ruined = [each.planted for each in table if each.planted and SOUNDNESS & {*each.planted.case.answers}]
    fine = sum(1 for each in ruined if not each.summary.soundness.ruined)
    yield f"ruined runs: {fine} of {len(ruined)} are called sound"
    healthy = [each for each in table if each.healthy is not None]
    alone = [each for each in healthy if each.planted is None]
    accused = [each for each in healthy if each.accused]
    yield (
        f"healthy runs: {len(accused)} of {len(healthy)} accused, "
        f"{sum(1 for each in alone if each.accused)} of the {len(alone)} that are no twin of a fault"
    )
    savings = [each.saving for each in table if each.saving is not None]
    close = sum(1 for said, measured in savings if abs(said / measured - 1) <= SAVING_ERROR)
    yield f"savings: {close} of {len(savings)} estimates within {100 * SAVING_ERROR:.0f} % of the measured"
