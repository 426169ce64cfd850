"""Counting contractions and conversions as they happen."""
