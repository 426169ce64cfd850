"""Names that several rules recognize."""

from __future__ import annotations

# The group of components that build neighbour lists, and the component of lists found when first used.
NEIGHBOURS, LIST_NAME = "neighbours", "neighbour list"
