"""Trace windows: a few calls under the profiler of torch or JAX."""
