"""The report on a controlled experiment."""
