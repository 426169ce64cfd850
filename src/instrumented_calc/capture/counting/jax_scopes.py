"""Names of places in a JAX program, common to jaxprs, XLA's metadata and traces.

JAX joins them with slashes: `jit(f)/transpose(jvp(Model))/embedding/bi,bij->bj/dot_general` is one operation
of an einsum in the embedding of a model's derivative. A jaxpr has the same name without the program at the
front and the operation at the end, so both are converted to one form here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

BACKWARD = " (backward)"
# Wrappers that JAX puts around a name, and names it inserts for its own constructs.
_WRAPPED = re.compile(r"(?:jvp|transpose|vmap|pmap|remat|checkpoint|shard_map)\((.*)\)")
_CONSTRUCT = re.compile(
    r"(?:jit|pjit|xla_call|core_call)\(.*\)|while|body|cond|scan|closed_call|branch_\d+_fun"
    r"|checkpoint|remat\d?|rematted_computation|custom_[jv][jv]p_call(?:_jaxpr)?|"
)
_TERM = r"\s*(?:[A-Za-z]\s*|\.\.\.\s*)*"
_EINSUM = re.compile(rf"(?=.*(?:,|->)){_TERM}(?:,{_TERM})*(?:->{_TERM})?")


class Place(NamedTuple):
    """A place in a program.

    Attributes:
        scope: The enclosing modules, `Model/embedding`, with the suffix `BACKWARD` in a reverse derivative;
            empty if none has a name.
        einsum: Equation of the enclosing einsum, as written by its user but without blanks, or empty.
    """

    scope: str
    einsum: str


def place_of(name_stack: str) -> Place:
    """Return the place described by a name stack.

    Args:
        name_stack: Names separated by slashes, without an operation at the end.
    """
    modules, einsum = [], ""
    for wrapped in name_stack.split("/"):
        name = wrapped
        while found := _WRAPPED.fullmatch(name):
            name = found[1]
        if _EINSUM.fullmatch(name):
            einsum = "".join(name.split())
        elif not _CONSTRUCT.fullmatch(name):
            modules.append(name)
    scope = "/".join(modules)
    return Place(scope + BACKWARD if "transpose(" in name_stack else scope, einsum)
