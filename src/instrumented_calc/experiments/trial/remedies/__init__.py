"""Remedies for `instrumented-calc try`: each module yields those of one family that can apply to a run.

A remedy acts in the process that runs the program, never in the user's files. None imports a library that
the program has not loaded.
"""
