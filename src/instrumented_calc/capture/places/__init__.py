"""Where in the code a run spends its time, by function and line."""
