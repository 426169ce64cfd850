"""The results of a sweep as a document and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from instrumented_calc.quantities import number, percent, plural
from instrumented_calc.reporting.document import Document, Paragraph, Section, Table
from instrumented_calc.reporting.run.soundness import FAULTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from instrumented_calc.analysis.sweep_groups import CellGroup
    from instrumented_calc.analysis.sweep_soundness import SweepSoundness

SCHEMA = "instrumented-calc-sweep-results/1"
DEFINITION = ("calculator", "system", "atoms", "threads")
FIGURES = (
    *("runs", "broken", "median ms", "scatter", "us/atom", "steps/s", "peak MB"),
    *("hosts", "beside", "waited"),
)
MOST_NAMED = 20  # missing or broken cells on the screen; JSON has all


def build_sweep(  # noqa: PLR0913, PLR0917 - the results of a sweep, as for `render_sweep_json`
    name: str,
    total: int,
    groups: Sequence[CellGroup],
    soundness: SweepSoundness,
    missing: Mapping[str, str],
    notes: Sequence[str],
) -> Document:
    """Return the results as a document.

    Args:
        name: The sweep's name.
        total: Number of its cells.
        groups: The cells that are done, replicates together.
        soundness: Which of their simulations are broken.
        missing: What is known of the other cells, by key.
        notes: Further lines for the user.
    """
    done = sum(group.runs for group in groups)
    state = ": complete" + (", but not sound" if soundness.broken else "") if done == total else ""
    lines = [f"{done} of {plural(total, 'cell')} done{state}"]
    lines += [*_soundness(soundness), *_remarks(groups)]
    sections = [Section("Result", (Paragraph((*lines, *notes)),))]
    if soundness.broken:
        broken = {key: "; ".join(texts) for key, texts in soundness.broken.items()}
        sections.append(Section("Broken simulations", (_named(broken),)))
    if groups:
        sections.append(Section("Cells", (_table(groups),)))
    if missing:
        sections.append(Section("Missing", (_named(missing),)))
    return Document(f"Sweep {name}", tuple(sections))


def _named(cells: Mapping[str, str]) -> Paragraph:
    named = [f"{key}: {words}" for key, words in cells.items()]
    if len(named) > MOST_NAMED:
        named = [*named[:MOST_NAMED], f"and {len(named) - MOST_NAMED} more"]
    return Paragraph(tuple(named))


def _soundness(soundness: SweepSoundness) -> list[str]:
    """Return how many simulations are broken, and what was looked for in the others."""
    lines = []
    if soundness.broken:
        total = len(soundness.broken) + soundness.others
        lines.append(f"BROKEN: {len(soundness.broken)} of {plural(total, 'simulation')}, see below")
    if soundness.others:
        known = {rule: number for rule, number in soundness.not_judged.items() if rule in FAULTS}
        words = [f"{FAULTS[rule]} in {number}" for rule, number in known.items()]
        where = "the others" if soundness.broken else plural(soundness.others, "simulation")
        unseen = f"; not judged for lack of evidence: {', '.join(words)}" if words else ""
        lines.append(f"no fault seen in {where}{unseen}")
    return lines


def _remarks(groups: Sequence[CellGroup]) -> list[str]:
    """Return what the hosts of the cells mean for the figures."""
    hosts = {host for group in groups for host in group.hosts}
    together = sum(group.on_one_host for group in groups)
    if len(hosts) > 1 and together:
        one = f"of {len(groups)} sets of replicates {together} ran on a single host each"
        return [f"{one}: their scatter does not include the differences between the {len(hosts)} hosts"]
    return []


def _table(groups: Sequence[CellGroup]) -> Table:
    """Return one row a group, with columns of the other settings in which groups differ."""
    settings = [(group.calc, group.system, str(group.n_atoms), str(group.threads)) for group in groups]
    others = {
        "steps": [str(group.steps) for group in groups],
        "K": [f"{group.temperature_k:g}" for group in groups],
        "seed": [str(group.seed) for group in groups],
    }
    differing = {name: column for name, column in others.items() if len(set(column)) > 1}
    rows = (
        (*first, *(column[place] for column in differing.values()), *_figures(group))
        for place, (first, group) in enumerate(zip(settings, groups, strict=True))
    )
    return Table((*DEFINITION, *differing, *FIGURES), tuple(rows))


def _figures(group: CellGroup) -> tuple[str, ...]:
    return (
        str(group.runs),
        str(group.broken),
        number(group.median_ms),
        percent(group.scatter),
        number(group.us_per_atom),
        number(group.steps_per_s),
        number(group.peak_mb),
        str(len(group.hosts)) if group.hosts else "-",
        str(group.beside),
        percent(group.processor_wait),
    )


def render_sweep_json(  # noqa: PLR0913, PLR0917 - the results of a sweep
    name: str,
    cells: Sequence[Mapping[str, Any]],
    groups: Sequence[CellGroup],
    soundness: SweepSoundness,
    missing: Mapping[str, str],
    notes: Sequence[str],
) -> str:
    """Return the results as JSON; arguments as for `build_sweep`, with the figures of each cell."""
    content = {
        "schema": SCHEMA,
        "name": name,
        "cells": cells,
        "groups": [asdict(group) for group in groups],
        "broken": soundness.broken,
        "missing": missing,
        "notes": notes,
    }
    return json.dumps(content, indent=2) + "\n"
