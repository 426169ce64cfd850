"""Reading the files of a study into tables."""
