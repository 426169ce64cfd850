"""The forms in which comparisons and scalings are written."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instrumented_calc.reporting.document import Document


class Form(str, Enum):
    """How a document is written."""

    text = "text"
    markdown = "markdown"
    json = "json"


def render_document(document: Document, form: Form) -> str:
    """Return a document as text or Markdown; JSON is made of figures, not of a document."""
    if form is Form.markdown:
        from instrumented_calc.reporting.forms.markdown import render_markdown  # noqa: PLC0415 - one form

        return render_markdown(document)
    from instrumented_calc.reporting.forms.text import render_text  # noqa: PLC0415 - one form

    return render_text(document)
