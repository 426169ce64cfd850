"""Unpacking untrusted bundles: bounded, and never through a link."""
