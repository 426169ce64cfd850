"""Rules: what a run's evidence says is wrong, what it costs and what to do; one module a family."""
