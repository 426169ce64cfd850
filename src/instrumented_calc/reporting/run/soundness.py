"""Whether the simulation is sound: the first section of a report, and the first line of a summary if not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.reporting.document import Paragraph, Section
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from instrumented_calc.analysis.soundness.check import Soundness

TITLE = "Is the simulation sound?"
CONSEQUENCES = 2
# The fault that a check looks for, as in "no sign of NaN"; the others are of few calculators.
FAULTS = {
    "non-finite": "NaN",
    "exploded": "an explosion",
    "frozen": "standing still",
    "stale": "stale results",
    "forces-not-gradient": "forces that contradict the energy",
    "energy-drift": "energy drift",
    "temperature-off": "a wrong temperature",
    "volume-change": "a volume change",
    "momentum-drift": "momentum drift",
    "calls-failing": "failing calls",
}


def soundness_section(soundness: Soundness) -> Section | None:
    """Return the section, or None if nothing was checked.

    Args:
        soundness: The checks of the run.
    """
    if not soundness.checks:
        return None
    ruined = soundness.ruined
    if ruined:
        lines = [f"NO. {_sentence(ruined[0].text)} What follows is void, and nothing else is judged."]
        lines += [f"Besides: {_sentence(each.text)}" for each in ruined[1:]]
        return Section(TITLE, (Paragraph(tuple(map(identity.one_line, lines))),))
    lines = []
    for each in soundness.checks:
        if each.verdict == "flagged":
            lines.append(f"Look at this: {_sentence(each.text)}")
    seen = [each.text for each in soundness.checks if each.verdict == "clear"]
    missing = [each.text for each in soundness.checks if each.verdict == "not enough evidence"]
    if seen:
        lines.append(f"No fault seen: {_sentence('; '.join(seen))}")
    if missing:
        lines.append(f"Not judged: {_sentence('; '.join(missing))}")
    return Section(TITLE, (Paragraph(tuple(map(identity.one_line, lines))),))


def soundness_words(soundness: Soundness) -> str:
    """Return which faults were not seen and which were not looked for, on a line or two.

    Args:
        soundness: The checks of a run that is not ruined.
    """
    known = [each for each in soundness.checks if each.name in FAULTS]
    clear = [each for each in known if each.verdict == "clear" and not each.numbers.get("failed")]
    seen = [FAULTS[each.name] for each in clear]
    missing = [FAULTS[each.name] for each in known if each.verdict == "not enough evidence"]
    words = [f"no sign of {', '.join(seen)}"] if seen else []
    if missing:
        words.append(f"not judged: {', '.join(missing)}")
    return "; ".join(words)


def broken_line(soundness: Soundness) -> str:
    """Return what ruined the run and since when; empty if nothing did."""
    ruined = soundness.ruined
    if not ruined:
        return ""
    text = _sentence(ruined[0].text)
    if len(ruined) > 1:
        others = [FAULTS.get(each.name, each.name) for each in ruined[1 : 1 + CONSEQUENCES]]
        text += f" Also: {', '.join(others)}."
    return identity.one_line(text)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."
