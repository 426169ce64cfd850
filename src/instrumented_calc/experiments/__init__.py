"""Drives calculators: systems to calculate, calculators by name, and runs of molecular dynamics."""
