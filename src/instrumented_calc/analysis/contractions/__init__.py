"""Contractions and conversions of a run, and their cost."""
