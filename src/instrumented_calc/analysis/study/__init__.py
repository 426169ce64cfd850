"""The controlled experiment: its cells, checks and decisions."""
