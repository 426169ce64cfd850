"""A run from its first call to its end: the recorder, its thread and what it does periodically."""
