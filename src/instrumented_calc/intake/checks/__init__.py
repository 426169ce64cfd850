"""Checks of stored results, and the conclusions they support."""
