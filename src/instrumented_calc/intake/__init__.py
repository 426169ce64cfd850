"""Foreign bundles to our tables: earlier studies are read, kept with their provenance, and judged."""
