"""Checks of stored results, and what they can support."""
