"""The controlled experiment: NumPy, NumPy with torch's einsum, and torch, in new, pinned processes."""
