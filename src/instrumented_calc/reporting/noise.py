"""The noise floor of replicates as a document, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from instrumented_calc.plain_text import plain_json
from instrumented_calc.quantities import duration, percentage
from instrumented_calc.reporting.comparison import runs_wanted
from instrumented_calc.reporting.document import Document, Paragraph, Section, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.noise import Noise
    from instrumented_calc.analysis.comparison.speed_limits import SpeedLimit

SCHEMA = "instrumented-calc-noise/1"
NUMBERS_SHOWN = (3, 5, 10, 20, 50)


def build_noise(noise: Noise, limits: Sequence[SpeedLimit] = ()) -> Document:
    """Return the noise floor as a document.

    Args:
        noise: Scatter of the runs.
        limits: The user's limits, which may be below the floor.
    """
    scatter = (
        f"the medians of {noise.runs} runs scatter by {percentage(noise.scatter)} (standard deviation) around"
        f" {duration(noise.median_ns)} per call"
    )
    rows = tuple((str(runs), percentage(noise.floor(runs))) for runs in NUMBERS_SHOWN)
    sections = [
        Section("Scatter", (Paragraph((scatter,)),)),
        Section("Smallest slowdown that shows", (Table(("runs on each side", "from"), rows),)),
    ]
    if limits:
        sections.append(Section("Limits", (Paragraph(tuple(_limit(noise, each) for each in limits)),)))
    return Document(f"Noise floor of {noise.runs} runs", tuple(sections))


def is_testable(noise: Noise, limit: SpeedLimit) -> bool:
    """Return whether as many runs on each side as were given could show that a limit is exceeded."""
    return noise.floor(noise.runs) <= abs(limit.most - 1)


def _limit(noise: Noise, limit: SpeedLimit) -> str:
    if is_testable(noise, limit):
        return f"{limit.text}: testable with {noise.runs} runs on each side"
    floor = percentage(noise.floor(noise.runs))
    shown = f"{noise.runs} runs on each side show changes of {floor} or more"
    return f"{limit.text}: UNTESTABLE: {shown}; {runs_wanted(noise, limit)}"


def render_noise_json(noise: Noise, limits: Sequence[SpeedLimit] = ()) -> str:
    """Return the noise floor as one JSON object, indented, ending with a newline."""
    document = {
        "schema": SCHEMA,
        **asdict(noise),
        "floors": {str(runs): noise.floor(runs) for runs in NUMBERS_SHOWN},
        "limits": [{"limit": each.text, "testable": is_testable(noise, each)} for each in limits],
    }
    return plain_json(document) + "\n"
