"""Runs over their course: latency, parts, state and memory in few bins, and what happened when."""
