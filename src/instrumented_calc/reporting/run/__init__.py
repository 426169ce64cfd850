"""The report on one or many runs."""
