"""How long calls take, and where the time goes."""
