"""The file format: records, writer and reader; the only thing that capture and analysis share."""
