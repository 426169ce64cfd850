"""Two commands, run in turn in fresh processes until it is sure whether one is slower."""
