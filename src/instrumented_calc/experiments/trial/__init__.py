"""A program as it is and with remedies, in turn in fresh processes: what is faster, with equal values."""
