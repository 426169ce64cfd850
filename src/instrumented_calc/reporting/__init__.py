"""Turn numbers into text: every function returns a string, none prints."""
