"""What a calculator holds, changed in place: its models, tensors and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[[Any], Any]


def change_attributes(owner: Any, change: Change) -> None:
    """Replace the attributes of an object, also those in lists, tuples and dictionaries.

    Args:
        owner: The object.
        change: Returns what stands in place of a value, or the value itself.
    """
    for name, value in list(vars(owner).items()):
        changed = _changed(value, change)
        if changed is not value:
            setattr(owner, name, changed)


def _changed(value: Any, change: Change) -> Any:
    if type(value) in (list, tuple):
        new = [_changed(each, change) for each in value]
        return value if all(map(_same, new, value)) else type(value)(new)
    if type(value) is dict:
        entries = {key: _changed(each, change) for key, each in value.items()}
        return value if all(map(_same, entries.values(), value.values())) else entries
    return change(value)


def _same(one: Any, other: Any) -> bool:
    return one is other
