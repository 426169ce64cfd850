"""The function that writes each output format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instrumented_calc.cli.formats import Form, ReportForm
from instrumented_calc.reporting.forms.chrome import render_chrome
from instrumented_calc.reporting.forms.markdown import render_markdown
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.report import build_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from instrumented_calc.analysis.read_run import ReadRun
    from instrumented_calc.reporting.document import Document

DOCUMENTS: dict[Form, Callable[[Document], str]] = {Form.text: render_text, Form.markdown: render_markdown}
REPORTS: dict[ReportForm, Callable[[Sequence[ReadRun]], str]] = {
    ReportForm.text: lambda runs: render_text(build_report(runs)),
    ReportForm.markdown: lambda runs: render_markdown(build_report(runs)),
    ReportForm.json: render_json,
    ReportForm.chrome: lambda runs: render_chrome([each.summary.journal for each in runs]),
}
