"""A run in progress: what its journal shows so far, without numpy, so that a viewer starts at once."""
