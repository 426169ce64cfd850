"""The results of a sweep as a document and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from instrumented_calc.quantities import number, percent, plural
from instrumented_calc.reporting.document import Document, Paragraph, Section, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from instrumented_calc.analysis.sweep_groups import CellGroup

SCHEMA = "instrumented-calc-sweep-results/1"
HEADINGS = (
    *("calculator", "system", "atoms", "threads", "runs", "median ms", "scatter", "us/atom"),
    *("steps/s", "peak MB", "hosts", "beside", "waited"),
)
MOST_NAMED = 20  # missing cells on the screen; JSON has all


def build_sweep(
    name: str,
    groups: Sequence[CellGroup],
    missing: Mapping[str, str],
    notes: Sequence[str],
) -> Document:
    """Return the results as a document.

    Args:
        name: The sweep's name.
        groups: The cells that are done, replicates together.
        missing: What is known of the other cells, by key.
        notes: Further lines for the user.
    """
    done = sum(group.runs for group in groups)
    total = done + len(missing)
    lines = [f"{done} of {plural(total, 'cell')} done" + ("" if missing else ": complete")]
    lines += _remarks(groups)
    sections = [Section("Result", (Paragraph((*lines, *notes)),))]
    if groups:
        sections.append(Section("Cells", (Table(HEADINGS, tuple(_row(group) for group in groups)),)))
    if missing:
        named = [f"{key}: {words}" for key, words in missing.items()]
        if len(named) > MOST_NAMED:
            named = [*named[:MOST_NAMED], f"and {len(named) - MOST_NAMED} more"]
        sections.append(Section("Missing", (Paragraph(tuple(named)),)))
    return Document(f"Sweep {name}", tuple(sections))


def _remarks(groups: Sequence[CellGroup]) -> list[str]:
    """Return what the hosts of the cells mean for the figures."""
    hosts = {host for group in groups for host in group.hosts}
    together = sum(group.on_one_host for group in groups)
    if len(hosts) > 1 and together:
        one = f"of {len(groups)} sets of replicates {together} ran on a single host each"
        return [f"{one}: their scatter does not include the differences between the {len(hosts)} hosts"]
    return []


def _row(group: CellGroup) -> tuple[str, ...]:
    return (
        group.calc,
        group.system,
        str(group.n_atoms),
        str(group.threads),
        str(group.runs),
        number(group.median_ms),
        percent(group.scatter),
        number(group.us_per_atom),
        number(group.steps_per_s),
        number(group.peak_mb),
        str(len(group.hosts)) if group.hosts else "-",
        str(group.beside),
        percent(group.processor_wait),
    )


def render_sweep_json(
    name: str,
    cells: Sequence[Mapping[str, Any]],
    groups: Sequence[CellGroup],
    missing: Mapping[str, str],
    notes: Sequence[str],
) -> str:
    """Return the results as JSON; arguments as for `build_sweep`, and the figures of each cell."""
    content = {
        "schema": SCHEMA,
        "name": name,
        "cells": cells,
        "groups": [asdict(group) for group in groups],
        "missing": missing,
        "notes": notes,
    }
    return json.dumps(content, indent=2) + "\n"
