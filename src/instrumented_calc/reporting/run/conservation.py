"""The section on energy conservation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.quantities import figures, plural
from instrumented_calc.reporting.document import Paragraph, Section
from instrumented_calc.reporting.run import identity

if TYPE_CHECKING:
    from instrumented_calc.analysis.conservation import Conservation


def conservation_section(found: list[Conservation]) -> Section | None:
    """Return how well the total energy was conserved, or None if too few samples were read."""
    if not found:
        return None
    lines = []
    for each in found:
        drift = each.drift
        lines.append(
            f"{identity.phase_words(each.phase)}: total energy {drift.value:+.3g} meV per atom per ps"
            f" [{drift.low:.3g}, {drift.high:.3g}], at most {figures(each.strayed_mev)} meV per atom from its"
            f" start, in {figures(each.ps)} ps ({plural(each.samples, 'sample')})."
        )
    if any(each.conservative is False for each in found):
        lines.append("The model predicts forces directly, not as the gradient of its energy: expect a drift.")
    return Section("Energy conservation", (Paragraph(tuple(lines)),))
