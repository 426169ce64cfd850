"""Rules: turn a run's evidence into problems, their cost and remedies; one module per family."""
