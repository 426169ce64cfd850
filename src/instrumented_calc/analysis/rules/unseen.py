"""Rules whose evidence no probe records yet: they only report what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules.finding import Rule, clear, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from instrumented_calc.analysis.rules.evidence import Evidence
    from instrumented_calc.analysis.rules.finding import Observation


def _missing(what: str, *, needs_gpu: bool = False) -> Callable[[Evidence], Observation]:
    def look(evidence: Evidence) -> Observation:
        return clear("no GPU in use") if needs_gpu and evidence.on_gpu is False else unknown(what)

    return look


RULES = (
    Rule(
        "compile-fallback", "cost", "", "", _missing("warnings of torch's recompile limit are not recorded")
    ),
    Rule("rebuild-without-skin", "cost", "", "", _missing("displacements between builds are not recorded")),
    Rule("mps-trap", "wrong", "", "", _missing("fall-backs of MPS are not recorded", needs_gpu=True)),
    Rule("denormals", "cost", "", "", _missing("subnormal numbers are not counted")),
    Rule("unused-property", "info", "", "", _missing("only an A/B run can measure the cost of a property")),
    Rule("shared-calculator", "cost", "", "", _missing("the Atoms object of a call is not recorded")),
)
