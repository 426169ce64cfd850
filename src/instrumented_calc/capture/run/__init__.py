"""A run from its first call to its end: the recorder, its thread and its periodic work."""
