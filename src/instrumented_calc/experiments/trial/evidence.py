"""The program once as it is, recorded: what remedies can apply to it, and what its findings expect."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.rules.evidence import gather
from instrumented_calc.analysis.rules.processors import allowed_processors, threads_used
from instrumented_calc.analysis.rules.vocabulary import LIST_NAME, NEIGHBOURS
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.analysis.trial.trial_result import ExpectedGain
from instrumented_calc.integration import RunFacts
from instrumented_calc.journal.operand_text import shape_of
from instrumented_calc.journal.reader import read_journal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from instrumented_calc.analysis.rules.finding import RuleFinding
    from instrumented_calc.analysis.summary import Summary
    from instrumented_calc.journal.reader import Journal

WORTH_SHARE = 0.03  # of the calculations, below which a contraction is left alone


@dataclass(frozen=True)
class TrialEvidence:
    """What is known of the program as it is.

    Attributes:
        facts: What remedies are chosen from.
        expected: The gain that findings expect, by the change that they suggest.
    """

    facts: RunFacts
    expected: Mapping[str, ExpectedGain]


def read_evidence(journals: Sequence[Path], notes: Path) -> TrialEvidence:
    """Return what is known of the program as it is.

    Args:
        journals: The journals of its recorded run; that with the most calls is read.
        notes: What its process noted at the end.
    """
    known = json.loads(notes.read_text(encoding="utf-8")) if notes.exists() else {}
    facts = RunFacts(
        modules=frozenset(known.get("modules", ())),
        ase_lists=int(known.get("ase_lists", 0)),
        skin_rebuilt=known.get("skin_rebuilt"),
        tracked_objects=int(known.get("tracked_objects", 0)),
        collected_share=known.get("collected_share"),
        pool_share=known.get("pool_share"),
        debug_logging=bool(known.get("debug_logging", False)),
        gpus=known.get("gpus"),
    )
    summaries = [summarize(read_journal(path)) for path in journals]
    if not summaries:
        return TrialEvidence(facts, {})
    summary = max(summaries, key=lambda each: each.evaluations.calls)
    findings = judge(summary)
    return TrialEvidence(_with_journal(facts, summary, findings), _expected(findings))


def _with_journal(facts: RunFacts, summary: Summary, findings: Sequence[RuleFinding]) -> RunFacts:
    evidence = gather(summary)
    breakdown = summary.breakdown
    allowed = allowed_processors(evidence)
    cores = evidence.environment.physical_cores
    pools = threads_used(evidence)
    blas = {name: number for name, number in pools.items() if name.endswith("(blas)")}
    observed = lists = None
    if breakdown is not None and breakdown.wall_ns:
        observed = breakdown.of_kind("observers") / breakdown.wall_ns
        built = [part for part in breakdown.parts if part.group == NEIGHBOURS or part.name == LIST_NAME]
        lists = sum(part.wall_ns for part in built) / breakdown.wall_ns
    return replace(
        facts,
        trials=frozenset(each.trial for each in findings if each.trial is not None),
        aids=frozenset(_aids(summary.journal)),
        components=frozenset(summary.journal.calls.components),
        contractions=_contractions(summary),
        observers_share=observed,
        list_share=lists,
        threads=max(pools.values(), default=None),
        blas_threads=max(blas.values(), default=None),
        other_threads=max((pools[name] for name in pools.keys() - blas.keys()), default=None),
        processors=None if allowed is None else max(int(allowed), 1),
        physical_cores=cores if isinstance(cores, int) else None,
        dtype=_of_model(summary.journal, "dtype"),
        device=_of_model(summary.journal, "device"),
        torch_model=_of_model(summary.journal, "architecture"),
        compiled=_of_model(summary.journal, "compiled") == "True",
    )


def _expected(findings: Sequence[RuleFinding]) -> dict[str, ExpectedGain]:
    return {
        each.trial: ExpectedGain(each.ceiling, each.saving_kind)
        for each in findings
        if each.trial is not None and each.ceiling is not None and each.saving_kind is not None
    }


def _aids(journal: Journal) -> set[str]:
    at_end = None if journal.end is None else journal.end.debugging_aids
    known = (journal.environment.debugging_aids, at_end)
    return {name for each in known if isinstance(each, dict) for name in each}


def _contractions(summary: Summary) -> tuple[tuple[str, tuple[tuple[int, ...], ...]], ...]:
    """Return the einsums that take a noticeable part of the calculations, with their dearest shapes."""
    rows = summary.contractions.rows if summary.contractions else ()
    found = {}
    for row in rows:
        if row.library != "numpy" or (row.share or 0.0) < WORTH_SHARE or not row.signatures:
            continue
        dearest = max(row.signatures, key=lambda each: each.ns or 0.0)
        shapes = [shape_of(operand) for operand in dearest.operands]
        if all(shape is not None for shape in shapes):
            found[row.equation] = tuple(shape for shape in shapes if shape is not None)
    return tuple(found.items())


def _of_model(journal: Journal, name: str) -> str:
    models = [each.model for each in journal.lanes.values() if isinstance(each.model, dict)]
    return next((str(each[name]) for each in models if each.get(name)), "")
