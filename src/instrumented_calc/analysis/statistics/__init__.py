"""Estimates with intervals: slopes, quantiles, ratios, growth."""
