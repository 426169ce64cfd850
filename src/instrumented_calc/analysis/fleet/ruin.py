"""What the excerpt of a journal tells of a broken simulation: less than a report on the run, which reads all.

The checks are those of the report that need no more than the states of the simulation. They are applied only
where all calls that were read belong to one driver: elsewhere it is not known which states belong together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from instrumented_calc.analysis.soundness.drift import check_drift
from instrumented_calc.analysis.soundness.driven import driven_by
from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence, Track
from instrumented_calc.analysis.soundness.explosion import check_explosion
from instrumented_calc.analysis.soundness.force_work import check_force_work
from instrumented_calc.analysis.soundness.non_finite import ESSENTIAL, not_finite
from instrumented_calc.analysis.soundness.temperature import check_temperature
from instrumented_calc.journal.reader import Journal
from instrumented_calc.journal.row_collector import RowCollector

if TYPE_CHECKING:
    from instrumented_calc.journal.excerpt import Excerpt
    from instrumented_calc.journal.records import State

CHECKS = (check_explosion, check_force_work, check_drift, check_temperature)
# Calls before the first step, and after the last one, are one more than the steps.
CALLS_BESIDE_STEPS = 1


def not_finite_calls(excerpt: Excerpt) -> int | None:
    """Return how many calls had NaN or infinity: those counted, or seen if more; None if none were looked at.

    Args:
        excerpt: What was read of a journal.
    """
    seen = {row.index for row in excerpt.rows if row.energy_ev is None}
    seen |= {each.index for each in excerpt.states if set(not_finite(each)) & set(ESSENTIAL)}
    counted = None if excerpt.counters is None else excerpt.counters.not_finite
    known = counted if isinstance(counted, int) else None
    return max(known or 0, len(seen)) if seen or known is not None else None


def ruin_of(excerpt: Excerpt) -> tuple[str, ...]:
    """Return what is wrong with the simulation, one sentence each; empty if nothing is seen of it.

    Args:
        excerpt: What was read of a journal.
    """
    track = _track(excerpt)
    if track is None:
        return ()
    journal = _journal(excerpt)
    track = replace(track, driven_by=driven_by(journal))
    calls = len(excerpt.rows)
    evidence = PhysicsEvidence(journal, calls, calls, {}, np.zeros(0, np.int64), (track,))
    with np.errstate(all="ignore"):  # an exploded run has numbers whose squares are infinite
        checks = [check(evidence) for check in CHECKS]
    return tuple(each.text for each in checks if each.ruins)


def _journal(excerpt: Excerpt) -> Journal:
    """Return a journal of all but the calls, as the checks expect one."""
    return Journal(
        excerpt.path,
        excerpt.size,
        excerpt.start,
        RowCollector(1).finished(),
        lanes=excerpt.lanes,
        phases=excerpt.phases,
        counters=excerpt.counters,
        end=excerpt.end,
    )


def _track(excerpt: Excerpt) -> Track | None:
    """Return the states as those of one driver; None if calls of others are or may be among them."""
    if len(excerpt.lanes) != 1 or len(excerpt.phases) != 1 or not excerpt.states:
        return None
    # A second driver counts its steps anew, and calls of no driver have none.
    beyond = [row.index - row.step for row in excerpt.rows]
    if (
        not beyond
        or max(beyond) - min(beyond) > CALLS_BESIDE_STEPS
        or any(row.step < 0 for row in excerpt.rows)
    ):
        return None
    (lane,), (phase,) = excerpt.lanes.values(), excerpt.phases.values()
    model = lane.model if isinstance(lane.model, dict) else {}
    completed = {row.index: row.step for row in excerpt.rows}
    return Track(
        phase,
        lane.n_atoms or 0,
        tuple(excerpt.states),
        np.array(
            [_step(each, completed, is_md=phase.kind == "md") for each in excerpt.states], dtype=np.int64
        ),
        direct=model.get("conservative") is False,
        # The forces of a model on a GPU may be in TensorFloat-32: judged as if they were.
        is_reduced=str(model.get("device", "")).startswith("cuda"),
        ended=excerpt.end is not None,
    )


def _step(state: State, completed: dict[int, int], *, is_md: bool) -> int:
    """Return the step that a state belongs to, -1 if unknown: MD calculates within the next step."""
    before = completed.get(state.index, -1)
    if isinstance(state.step, int) and state.step != before:
        return state.step
    return before + is_md if before >= 0 and state.index else before
