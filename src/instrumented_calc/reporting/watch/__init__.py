"""A run in progress on a terminal, as text and as JSON."""
