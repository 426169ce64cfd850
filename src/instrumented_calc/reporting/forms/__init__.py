"""The forms in which documents and figures are written."""
