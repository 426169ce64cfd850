"""The machine, its limits and its software."""
