"""Most calls fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.soundness.check import Check

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.evidence import PhysicsEvidence

NAME = "calls-failing"
# More than half: figures then rest on the few that did not.
MOST = 0.5
SOME, FEWEST = 0.1, 4


def check_failing(evidence: PhysicsEvidence) -> Check:
    """Most calls raise an exception."""
    failures = evidence.failures
    failed, calls = sum(failures.values()), evidence.calls
    if not calls:
        return Check(NAME, "not enough evidence", "no calls")
    numbers: dict[str, Any] = {"failed": failed, "calls": calls}
    classes = ", ".join(failures)
    if failed < FEWEST or failed / calls <= SOME:
        return Check(NAME, "clear", f"{failed:,} of {calls:,} calls failed", numbers, calls)
    numbers["exceptions"] = classes
    if failed / calls <= MOST:
        text = f"{failed:,} of {calls:,} calls failed ({classes})"
        return Check(NAME, "flagged", text, numbers, calls, severity="info")
    text = f"Most calls fail: {failed:,} of {calls:,} ended with an exception ({classes})"
    return Check(NAME, "flagged", text, numbers, calls)
