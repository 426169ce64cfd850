"""The longest contractions of a journal, timed as matrix products on the machine that reports on it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from instrumented_calc.analysis.contractions.contractions import measure_contractions
from instrumented_calc.capture.counting.product_times import MOST_NS, Wanted, time_products
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.records import ProductTimes
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from pathlib import Path

    from instrumented_calc.journal.reader import Journal


MOST_MEASURED = 10  # contractions


def with_products_timed(path: Path) -> Journal:
    """Return a journal with the times of matrix products on this machine instead of the run's.

    Args:
        path: The journal.

    Raises:
        JournalReadError: If it cannot be read.
    """
    journal = read_journal(path)
    found = measure_contractions(journal)
    wanted = [
        Wanted(row.equation, row.library, row.signatures[0].operands, row.optimize, row.ns / row.calls)
        for row in (found.rows if found is not None else ())
        if row.ns and row.calls and row.signatures
    ]
    products = [each for one in wanted[:MOST_MEASURED] for each in time_products([one], MOST_NS)]
    if not products:
        typer.echo(f"note: {shown_path(path)} has no contraction of numpy to be timed", err=True)
        return journal
    return replace(journal, product_times=(ProductTimes(0, 0, products),), products_timed_now=True)
