"""Writing bundles for others, with secrets masked."""
