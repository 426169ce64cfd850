"""Is the simulation sound? One file per way in which it may be ruined."""
