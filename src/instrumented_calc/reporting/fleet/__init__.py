"""A fleet of runs as tables, text and a page."""
