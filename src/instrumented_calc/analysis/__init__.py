"""From a journal to numbers: pure functions over columns, without any I/O.

A number that was not measured is None, never 0; an estimate is marked as one.
"""
