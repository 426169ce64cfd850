"""The controlled experiment: NumPy, NumPy with torch's einsum, and torch, in fresh and pinned processes."""
