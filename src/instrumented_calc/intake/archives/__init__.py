"""Unpacking bundles that nobody vouches for: bounded, and never through a link."""
