"""The function that writes each output format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.cli.formats import Form, ReportForm
from instrumented_calc.reporting.forms.call_table import render_csv, render_parquet
from instrumented_calc.reporting.forms.chrome import render_chrome
from instrumented_calc.reporting.forms.markdown import render_markdown
from instrumented_calc.reporting.forms.openmetrics import render_openmetrics
from instrumented_calc.reporting.forms.stacks import render_collapsed, render_speedscope
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.report import build_report
from instrumented_calc.reporting.run.screen.screen import render_screen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from instrumented_calc.analysis.read_run import ReadRun
    from instrumented_calc.reporting.document import Document

DOCUMENTS: dict[Form, Callable[[Document], str]] = {Form.text: render_text, Form.markdown: render_markdown}


def _text(runs: Sequence[ReadRun], everything: bool, width: int | None) -> str:
    if everything:
        return render_text(build_report(runs, everything=True))
    return render_screen(runs) if width is None else render_screen(runs, width)


# Given the runs, whether everything is wanted, and the columns of the terminal, or None without one. JSON has
# everything in any case.
REPORTS: dict[ReportForm, Callable[[Sequence[ReadRun], bool, int | None], str | bytes]] = {
    ReportForm.text: _text,
    ReportForm.markdown: lambda runs, everything, _: render_markdown(
        build_report(runs, everything=everything)
    ),
    ReportForm.json: lambda runs, *_: render_json(runs),
    ReportForm.chrome: lambda runs, *_: render_chrome([each.summary.journal for each in runs]),
    ReportForm.speedscope: lambda runs, *_: render_speedscope([each.summary.journal for each in runs]),
    ReportForm.collapsed: lambda runs, *_: render_collapsed([each.summary.journal for each in runs]),
    ReportForm.csv: lambda runs, *_: render_csv([each.summary.journal for each in runs]),
    ReportForm.parquet: lambda runs, *_: render_parquet([each.summary.journal for each in runs]),
    ReportForm.openmetrics: lambda runs, *_: render_openmetrics(runs),
}
