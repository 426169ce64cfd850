"""From a call to a line of the journal: making, thinning, encoding and writing rows."""
