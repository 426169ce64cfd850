"""A report in Python: text, findings, plain data and a table of calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.quantities import plural
from instrumented_calc.reporting.forms.dataframe import calls_frame
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.report import build_report, report_title
from instrumented_calc.reporting.run.screen.screen import render_screen

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from instrumented_calc.analysis.rules.finding import RuleFinding


class Report:
    """What `instrumented-calc report` shows, made by `instrumented_calc.report`.

    Args:
        runs: One per journal.
    """

    def __init__(self, runs: Sequence[ReadRun]) -> None:
        self._runs = tuple(runs)

    @property
    def text(self) -> str:
        """The report on one screen of 80 columns, as printed by the command."""
        return render_screen(self._runs)

    @property
    def full_text(self) -> str:
        """The report with all sections and rules, as printed with `--all`."""
        return render_text(build_report(self._runs, everything=True))

    @property
    def findings(self) -> tuple[RuleFinding, ...]:
        """What the rules found wrong, costly or worth knowing, in the order of the report.

        Rules that were clear or lacked evidence are in `to_dict`.
        """
        return tuple(each for run in self._runs for each in run.findings if each.verdict == "flagged")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as `report --format json` writes it: units in the names, None if not measured."""
        found: dict[str, Any] = json.loads(render_json(self._runs))
        return found

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with one row per call; what was not measured is NA.

        Times are in ns, memory in bytes. With several journals the column `journal` names the file.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        return calls_frame([run.summary.journal for run in self._runs])

    def __str__(self) -> str:
        """Return the text."""
        return self.text

    def __repr__(self) -> str:
        """Return the journals and the numbers of calls and findings on one line."""
        calls = sum(run.summary.evaluations.calls for run in self._runs)
        counted = f"{plural(calls, 'call')}, {plural(len(self.findings), 'finding')}"
        return f"<{report_title(self._runs)}: {counted}>"

    def _repr_html_(self) -> str:
        from instrumented_calc.reporting.html.page import render_first_screen  # noqa: PLC0415 - for notebooks only

        return render_first_screen(self._runs)


def report_on(paths: Sequence[str | os.PathLike[str]]) -> Report:
    """Read and judge journals.

    Args:
        paths: The journals, at least one.

    Raises:
        JournalReadError: A file cannot be read as a journal.
    """
    summaries = [summarize(read_journal(path)) for path in paths]
    return Report([ReadRun(each, judge(each)) for each in summaries])
