"""Output formats of comparisons and scaling reports."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from instrumented_calc.reporting.forms.markdown import render_markdown
from instrumented_calc.reporting.forms.text import render_text

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
        return render_markdown(document)

    return render_text(document)
