"""Numbers in, text out: every function returns a string, none prints."""
