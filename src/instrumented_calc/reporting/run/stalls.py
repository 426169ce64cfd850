"""Where calls were stuck."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.reporting.document import Paragraph, Section

if TYPE_CHECKING:
    from instrumented_calc.journal.reader import Journal

STALLS_SHOWN = 3
FRAMES_SHOWN = 12


def stalls_section(journal: Journal) -> Section | None:
    """Return where the threads of stalled calls were, innermost frame last."""
    blocks = []
    stalls = [each for each in journal.notices if each.kind == "stall"]
    for stall in stalls[:STALLS_SHOWN]:
        stack = (stall.details or {}).get("stack")
        if isinstance(stack, list) and stack:
            frames = [line for frame in stack[-FRAMES_SHOWN:] for line in str(frame).splitlines()]
            blocks.append(Paragraph((stall.text, *frames)))
    return Section("Stalled calls", tuple(blocks)) if blocks else None
