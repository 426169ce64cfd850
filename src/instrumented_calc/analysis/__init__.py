"""A journal in, numbers out: pure functions over columns, without any I/O.

A number that was not measured is None, never 0; an estimate says that it is one.
"""
