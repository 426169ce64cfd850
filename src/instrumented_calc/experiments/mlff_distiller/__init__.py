"""The interface of the MLFF-Distiller profiler, with our recording."""
