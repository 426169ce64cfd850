"""Small readings of the process, each in a file of its own and each absent where it cannot be had."""
