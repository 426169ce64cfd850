"""Output formats of comparisons and scaling reports."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrumented_calc.reporting.document import Document


class Form(str, Enum):
    """Output format of a document."""

    text = "text"
    markdown = "markdown"
    json = "json"


def render_document(document: Document, form: Form) -> str:
    """Render a document as text or Markdown; JSON is built from the figures instead."""
    if form is Form.markdown:
        from instrumented_calc.reporting.forms.markdown import render_markdown  # noqa: PLC0415 - one form

        return render_markdown(document)
    from instrumented_calc.reporting.forms.text import render_text  # noqa: PLC0415 - one form

    return render_text(document)
