"""Which contractions and conversions a run did, and what they cost."""
