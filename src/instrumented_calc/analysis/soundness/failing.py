"""Most calls fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from instrumented_calc.analysis.soundness.check import Check

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.check import Since
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence

NAME = "calls-failing"
# Half: figures then rest on those that did not.
MOST = 0.5
SOME, FEWEST = 0.1, 4
# From some call on nearly all fail: what was computed before may be sound, but it is not what was asked for.
LATER, FEWEST_LATER = 0.9, 10


def check_failing(evidence: PhysicsEvidence) -> Check:
    """Most calls raise an exception, or nearly all from some call on."""
    failures = evidence.failures
    failed, calls = sum(failures.values()), evidence.calls
    if not calls:
        return Check(NAME, "not enough evidence", "no calls")
    numbers: dict[str, Any] = {"failed": failed, "calls": calls}
    classes = ", ".join(failures)
    if failed / calls > SOME and failed < FEWEST:
        return Check(NAME, "not enough evidence", f"{failed:,} of {calls:,} calls failed", numbers, calls)
    if failed / calls <= SOME:
        return Check(NAME, "clear", f"{failed:,} of {calls:,} calls failed", numbers, calls)
    numbers["exceptions"] = classes
    since, later, after = _begun(evidence)
    if since is not None and later >= FEWEST_LATER and later >= LATER * after and later > SOME * calls:
        which = "All" if later == after else f"{later:,} of {after:,}"
        text = f"{which} calls fail since {since.words}: {failed:,} of {calls:,} raised {classes}"
        return Check(NAME, "flagged", text, numbers, calls, since)
    if failed / calls < MOST:
        text = f"{failed:,} of {calls:,} calls failed ({classes})"
        return Check(NAME, "flagged", text, numbers, calls, severity="info")
    which = "Most" if failed / calls > MOST else "Half of the"
    text = f"{which} calls fail: {failed:,} of {calls:,} ended with an exception ({classes})"
    if since is not None:
        text += f", first {since.words}"
    return Check(NAME, "flagged", text, numbers, calls, since)


def _begun(evidence: PhysicsEvidence) -> tuple[Since | None, int, int]:
    """Return the failed call from which on failures exceed successes the most; failures and calls from there.

    A thinned journal has the rows of all failed calls, but not of the others: those are counted by index.
    """
    calls = evidence.journal.calls
    raised = np.sort(calls.index[calls.failed & ~calls.nested].astype(np.int64))
    if not len(raised):
        return None, 0, 0
    failures = np.arange(len(raised), 0, -1)
    after = int(calls.index.max()) + 1 - raised
    place = int((2 * failures - after).argmax())
    return evidence.since(int(raised[place])), int(failures[place]), int(after[place])
