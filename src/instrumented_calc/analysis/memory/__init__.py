"""How memory changes over a run."""
