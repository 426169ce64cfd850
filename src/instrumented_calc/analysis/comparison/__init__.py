"""Two groups of runs: whether they may be compared, and which is faster."""
