"""The section on energy conservation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.reporting.document import Paragraph, Section
from instrumented_calc.reporting.quantities import figures, plural
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from instrumented_calc.analysis.conservation import Conservation


def conservation_section(found: list[Conservation]) -> Section | None:
    """Return how well the total energy was conserved, None where it was not read often enough."""
    if not found:
        return None
    lines = []
    for each in found:
        drift = each.drift
        lines.append(
            f"{identity.phase_words(each.phase)}: total energy {drift.value:+.3g} meV an atom a ps"
            f" [{drift.low:.3g}, {drift.high:.3g}], at most {figures(each.strayed_mev)} meV an atom from its"
            f" start, in {figures(each.ps)} ps ({plural(each.samples, 'sample')})."
        )
    if any(each.conservative is False for each in found):
        lines.append(
            "The model's forces are its own output, no gradient of its energy: a drift is to be expected."
        )
    return Section("Energy conservation", (Paragraph(tuple(lines)),))
