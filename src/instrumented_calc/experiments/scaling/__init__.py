"""A calculator over sizes and replicates."""
