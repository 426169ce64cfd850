"""Timing the parts of a calculator."""
