"""Names of places in a JAX program: what a jaxpr, XLA's metadata and a trace have in common.

JAX strings them together with slashes: `jit(f)/transpose(jvp(Model))/embedding/bi,bij->bj/dot_general` is one
operation of an einsum in the embedding of a model's derivative. A jaxpr has the same without the program in
front and the operation behind, so both are brought to one form here.
"""

from __future__ import annotations

import re
from typing import NamedTuple

BACKWARD = " (backward)"
# What JAX wraps around a name, or puts between names for its own constructs.
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
        scope: The modules around it, `Model/embedding`, with `BACKWARD` behind where it is part of a reverse
            derivative; empty: none that has a name.
        einsum: Equation of the einsum that it is part of, as its user wrote it without blanks, or empty.
    """

    scope: str
    einsum: str


def place_of(name_stack: str) -> Place:
    """Return the place that a name stack tells.

    Args:
        name_stack: Names with slashes between them, without an operation behind.
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
