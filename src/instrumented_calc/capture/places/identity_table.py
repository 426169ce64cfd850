"""Values of objects that are found by identity, and forgotten with the objects."""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class IdentityTable(Generic[Value]):
    """A table whose keys are objects, hashable or not, that are held weakly.

    Attributes:
        values: The values by the `id` of their objects, for look-ups without a call of structure.
    """

    def __init__(self) -> None:
        self.values: dict[int, Value] = {}
        self._references: dict[int, weakref.ref[Any]] = {}

    def put(self, key: Any, value: Value) -> None:
        """Keep a value until its object is gone.

        Raises:
            TypeError: The object cannot be referenced weakly.
        """
        identity, values, references = id(key), self.values, self._references

        def forget(reference: weakref.ref[Any]) -> None:
            """Let go of the identity, which another object may get now."""
            if references.get(identity) is reference:
                values.pop(identity, None)
                references.pop(identity, None)

        references[identity] = weakref.ref(key, forget)
        values[identity] = value

    def remove(self, identity: int) -> None:
        """Remove the value of an object, given its `id`."""
        self.values.pop(identity, None)
        self._references.pop(identity, None)

    def clear(self) -> None:
        """Remove all values."""
        self.values.clear()
        self._references.clear()
