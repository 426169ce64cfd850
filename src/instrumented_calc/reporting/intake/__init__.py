"""The report on ingested bundles."""
