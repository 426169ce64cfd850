"""The contractions of one execution of a JAX program, from the jaxpr that JAX keeps of it.

Nothing is compiled or run. A `dot_general` that is the whole of an einsum of two operands is reported with
the text and the operand shapes that its user gave (JAX swaps operands, sums single indices out and drops
axes of length 1 before). One that is a step of several, or part of a derivative, is reported in letters of
its own, together with the text of the einsum it comes from.
"""

from __future__ import annotations

from collections import Counter
from string import ascii_letters
from typing import TYPE_CHECKING, Any, NamedTuple

from instrumented_calc.capture.counting.jax_scopes import BACKWARD, Place, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

# Operations by which einsum prepares an operand before its dot_general, mapped to the axes that remain.
PREPARING = {"reduce_sum": "axes", "squeeze": "dimensions", "convert_element_type": ""}


class Contracted(NamedTuple):
    """One kind of contraction in a program.

    Attributes:
        equation: The user's own text if this is the whole of his einsum, else letters in order.
        operands: `dtype[shape]` of each operand, in the equation's order.
        scope: Enclosing modules, see `jax_scopes.Place`.
        einsum: The user's einsum: equal to `equation`, or the one that this is a step or a derivative of, or
            empty.
        uncertain: Whether it is inside a loop or branch with an unknown number of runs: counted once.
    """

    equation: str
    operands: tuple[str, ...]
    scope: str
    einsum: str
    uncertain: bool


class _Links(NamedTuple):
    """The equations of one jaxpr by their results, and transpositions by their operands."""

    made_by: dict[int, Any]
    transposed: dict[int, Any]

    def transposition_after(self, dot: Any) -> Any | None:
        """Return the transposition of a dot_general's result that was added by einsum itself."""
        eqn = self.transposed.get(id(dot.outvars[0]))
        return eqn if eqn is not None and _same_place(eqn, dot) else None


class _Given(NamedTuple):
    """An operand as passed to einsum, and its axes that reach the dot_general."""

    aval: Any
    axes: tuple[int, ...]


def contractions_of(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[Contracted, int]:
    """Return the contractions of one execution of a function, with their numbers.

    Args:
        function: A function made by `jax.jit`, or a bound method of it. It has run with these arguments, so
            JAX has its jaxpr and this takes milliseconds.
        args: Its positional arguments; only their shapes and dtypes are used.
        kwargs: Its keyword arguments.

    Returns:
        The number of each contraction; empty for a function that was not made by `jax.jit`.
    """
    bound = getattr(function, "__func__", None)
    if bound is not None:  # which has the attributes of the function, but not its first argument
        function, args = bound, (function.__self__, *args)
    trace = getattr(function, "trace", None)
    if trace is None:
        return {}
    found: Counter[Contracted] = Counter()
    for contracted, times in _walk(trace(*args, **kwargs).jaxpr.jaxpr, "", 1, uncertain=False):
        found[contracted] += times
    return dict(found)


def _walk(jaxpr: Any, outside: str, times: int, *, uncertain: bool) -> Iterator[tuple[Contracted, int]]:
    """Yield the contractions of a jaxpr and of those inside it.

    Args:
        jaxpr: The jaxpr to walk.
        outside: Name stack of the enclosing equation: names inside are relative to it.
        times: How often it runs.
        uncertain: Whether that number is unknown.
    """
    links = _Links(
        {id(made): eqn for eqn in jaxpr.eqns for made in eqn.outvars},
        {id(eqn.invars[0]): eqn for eqn in jaxpr.eqns if eqn.primitive.name == "transpose"},
    )
    for eqn in jaxpr.eqns:
        kind = eqn.primitive.name
        stack = "/".join(filter(None, (outside, str(eqn.source_info.name_stack))))
        if kind == "dot_general":
            yield _contracted(eqn, place_of(stack), links, uncertain=uncertain), times
        elif kind != "pallas_call":  # a kernel's code runs once per block
            inner_times = times * (int(eqn.params["length"]) if kind == "scan" else 1)
            unknown = uncertain or kind in {"while", "cond"}
            for inner in _inner_jaxprs(eqn):
                yield from _walk(inner, stack, inner_times, uncertain=unknown)


def _inner_jaxprs(eqn: Any) -> Iterator[Any]:
    for value in eqn.params.values():
        for each in value if isinstance(value, (tuple, list)) else (value,):
            jaxpr = getattr(each, "jaxpr", each)
            if hasattr(jaxpr, "eqns"):
                yield jaxpr


def _contracted(eqn: Any, place: Place, links: _Links, *, uncertain: bool) -> Contracted:
    whole = None
    if place.einsum and not place.scope.endswith(BACKWARD):
        whole = _whole_einsum(place.einsum, eqn, links)
    if whole is not None:
        return Contracted(place.einsum, whole, place.scope, place.einsum, uncertain)
    operands = tuple(_words(operand.aval) for operand in eqn.invars)
    return Contracted(_in_letters(eqn), operands, place.scope, place.einsum, uncertain)


def _words(aval: Any) -> str:
    return f"{aval.dtype}[{','.join(map(str, aval.shape))}]"


def _in_letters(eqn: Any) -> str:
    """Return a dot_general as an einsum equation, with letters in order of first occurrence."""
    (summed, batch) = eqn.params["dimension_numbers"]
    left, right = (operand.aval.ndim for operand in eqn.invars)
    fresh = iter(ascii_letters)
    first = [next(fresh) for _ in range(left)]
    shared = {j: first[i] for pairs in (summed, batch) for i, j in zip(*pairs, strict=True)}
    second = [shared.get(axis) or next(fresh) for axis in range(right)]
    out = [first[axis] for axis in batch[0]]
    out += [first[axis] for axis in range(left) if axis not in {*batch[0], *summed[0]}]
    out += [second[axis] for axis in range(right) if axis not in {*batch[1], *summed[1]}]
    return f"{''.join(first)},{''.join(second)}->{''.join(out)}"


# -- an einsum's own operands ----------------------------------------------------------------------------


def _whole_einsum(equation: str, dot: Any, links: _Links) -> tuple[str, ...] | None:
    """Return the operands of an einsum of two, in its order, if a dot_general is all of it."""
    terms = equation.partition("->")[0].split(",")
    if len(terms) != 2:  # noqa: PLR2004 - a dot_general has two operands
        return None
    given = [_given_operand(operand, dot, links) for operand in dot.invars]
    # einsum swaps operands only if that avoids a transposition; this decides `i,i`, where both orders fit.
    was_swapped = links.transposition_after(dot) is not None
    for swapped in (was_swapped, not was_swapped):
        in_order = reversed(terms) if swapped else terms
        left, right = (_axis_names(*pair) for pair in zip(in_order, given, strict=True))
        if left and right and _is_dot((left, right), given, _result(equation, left, right), dot, links):
            found = [_words(each.aval) for each in given]
            return tuple(reversed(found) if swapped else found)
    return None


def _given_operand(variable: Any, dot: Any, links: _Links) -> _Given:
    """Trace a dot_general's operand back to the operand of the einsum."""
    gone: list[Any] = []
    while (eqn := links.made_by.get(id(variable))) is not None:
        if eqn.primitive.name not in PREPARING or not _same_place(eqn, dot):
            break
        parameter = PREPARING[eqn.primitive.name]
        gone.append(eqn.params[parameter] if parameter else ())
        variable = eqn.invars[0]
    axes = tuple(range(variable.aval.ndim))
    for removed in reversed(gone):
        axes = tuple(axis for place, axis in enumerate(axes) if place not in removed)
    return _Given(variable.aval, axes)


def _same_place(eqn: Any, other: Any) -> bool:
    return str(eqn.source_info.name_stack) == str(other.source_info.name_stack)


def _axis_names(term: str, given: _Given) -> list[str]:
    """Return a name for each axis of an operand; none if the term does not fit or repeats a letter."""
    plain = term.replace("...", "")
    hidden = given.aval.ndim - len(plain)
    if len(set(plain)) != len(plain) or hidden < 0 or (hidden and "..." not in term):
        return []
    before, _, after = term.partition("...") if "..." in term else (term, "", "")
    return [*before, *_hidden(hidden), *after]


def _hidden(number: int) -> list[str]:
    """Return names of the axes covered by an ellipsis; they are aligned at the last one."""
    return [f".{place}" for place in range(number, 0, -1)]


def _result(equation: str, left: list[str], right: list[str]) -> list[str]:
    """Return the names of the result's axes in its order."""
    terms, arrow, result = equation.partition("->")
    if not arrow:
        occurs = Counter(terms)
        single = sorted(name for name in occurs if name.isalpha() and occurs[name] == 1)
        result = "..." + "".join(single)
    hidden = _hidden(max(sum(name[0] == "." for name in each) for each in (left, right)))
    before, dots, after = result.partition("...")
    return [*before, *(hidden if dots else ()), *after]


def _is_dot(
    names: tuple[list[str], list[str]], given: list[_Given], result: list[str], dot: Any, links: _Links
) -> bool:
    """Return whether a dot_general, with its axes named this way, computes the equation."""
    left, right = ([each[axis] for axis in known.axes] for each, known in zip(names, given, strict=True))
    summed, batch = ([(left[i], right[j]) for i, j in zip(*pairs, strict=True)]
                     for pairs in dot.params["dimension_numbers"])  # fmt: skip
    if any(i != j for i, j in (*summed, *batch)) or {*result} & {i for i, _ in summed}:
        return False
    kept = [i for i, _ in batch]
    paired = {*kept, *(i for i, _ in summed)}
    made = [*kept, *(name for name in (*left, *right) if name not in paired)]
    transposition = links.transposition_after(dot)
    if transposition is not None:
        made = [made[axis] for axis in transposition.params["permutation"]]
    return made == result
