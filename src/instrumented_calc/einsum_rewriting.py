"""An einsum rewritten as matrix products: at most three lines of code for arrays of any size.

Capture times this code at the end of a run, and analysis prints it.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

EQUATION = re.compile(r"[A-Za-z]*(?:,[A-Za-z]*)+(?:->[A-Za-z]*)?")
# Longer than a letter, so that no index has such a name.
NAMES = ("first", "second", "third", "fourth", "fifth", "sixth")
MOST_LINES = 3
PAIR = 2
MOST_SEARCHED = 4  # operands whose best order is searched completely

Sizes = dict[str, int]


class Rewriting(NamedTuple):
    """A contraction as code.

    Attributes:
        code: Its lines; the operands are called `NAMES`, the result `result`.
        terms: Indices of each operand.
        sizes: Size of each index.
        steps: Indices of each product of a pair.
        results: Indices of each product's result.
    """

    code: tuple[str, ...]
    terms: tuple[str, ...]
    sizes: Sizes
    steps: tuple[str, ...]
    results: tuple[str, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one execution."""
        return sum(_product(step, self.sizes) for step in self.steps)

    @property
    def elements(self) -> int:
        """Elements of all operands, intermediates and the result."""
        return sum(_product(term, self.sizes) for term in (*self.terms, *self.results))

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of each operand."""
        return [tuple(self.sizes[letter] for letter in term) for term in self.terms]

    def within(self, macs: float, elements: int) -> Rewriting:
        """Return the same code for smaller operands: the longest index is halved until the limits hold.

        Args:
            macs: Most multiply-accumulates.
            elements: Most elements.
        """
        found = self
        while found.macs > macs or found.elements > elements:
            longest = max(found.sizes, key=lambda letter: found.sizes[letter], default="")
            if found.sizes.get(longest, 1) == 1:
                break
            found = found._replace(sizes={**found.sizes, longest: found.sizes[longest] // 2})
        return found


class _Factor(NamedTuple):
    """An expression, and the index of each of its axes."""

    text: str
    letters: str


def rewrite(equation: str, shapes: Sequence[tuple[int, ...]], library: str = "numpy") -> Rewriting | None:
    """Return an einsum as matrix products and broadcast products of pairs.

    Args:
        equation: The einsum equation.
        shapes: Shape of each operand.
        library: `numpy` or `torch`.

    Returns:
        The code, or None: for an ellipsis, a trace, broadcast sizes, more than six operands, or an operation
        that no matrix product does.
    """
    parsed = parse(equation, shapes)
    if parsed is None or len(shapes) > len(NAMES):
        return None
    terms, output, sizes = parsed
    path = _path(equation, shapes)
    if path is None:
        return None
    writer = _Writer(library)
    left = [_Factor(name, letters) for name, letters in zip(NAMES, terms, strict=False)]
    lines, steps, results = [], [], []
    for number, (one, other) in enumerate(path, 1):
        pair = left[one], left[other]
        left = [term for place, term in enumerate(left) if place not in (one, other)]
        last = not left
        kept = output if last else output + "".join(term.letters for term in left)
        made = writer.pair(*pair, kept, output if last else None)
        if made is None:
            return None
        steps.append("".join(sorted(set(pair[0].letters + pair[1].letters))))
        results.append(made.letters)
        name = "result" if last else f"part{number}"
        lines.append(f"{name} = {made.text}")
        left.append(_Factor(name, made.letters))
    code = (*writer.unpacked(terms), *lines)
    if len(code) > MOST_LINES:
        if library != "numpy":
            return None
        code = (_with_path(equation, len(shapes), path),)
    return Rewriting(code, terms, sizes, tuple(steps), tuple(results))


def batched(equation: str, shapes: Sequence[tuple[int, ...]]) -> str | None:
    """Return the equation of many contractions at once, which differ in the smallest operand.

    Args:
        equation: The einsum equation.
        shapes: Shape of each operand.

    Returns:
        An equation such as `mij,zij->zm`: the operands are stacked along the new index, which is first; None
        for an equation that `parse` does not know.
    """
    parsed = parse(equation, shapes)
    if parsed is None:
        return None
    terms, output, sizes = parsed
    new = next((letter for letter in "zyxwvutsr" if letter not in sizes), None)
    if new is None:
        return None
    smallest = min(range(len(terms)), key=lambda place: _product(terms[place], sizes))
    stacked = [new + term if place == smallest else term for place, term in enumerate(terms)]
    return f"{','.join(stacked)}->{new}{output}"


def parse(equation: str, shapes: Sequence[tuple[int, ...]]) -> tuple[tuple[str, ...], str, Sizes] | None:
    """Return the indices of each operand, those of the result, and the size of each index.

    Args:
        equation: The einsum equation.
        shapes: Shape of each operand.

    Returns:
        None for an equation with an ellipsis, one operand or a repeated index in one of them, and for shapes
        that do not fit or are broadcast.
    """
    equation = equation.replace(" ", "")
    if not EQUATION.fullmatch(equation):
        return None
    inputs, arrow, output = equation.partition("->")
    terms = tuple(inputs.split(","))
    everything = "".join(terms)
    if not arrow:
        output = "".join(sorted(each for each in set(everything) if everything.count(each) == 1))
    if any(len(set(term)) < len(term) for term in (*terms, output)) or set(output) - set(everything):
        return None
    if [len(term) for term in terms] != [len(shape) for shape in shapes]:
        return None
    sizes: Sizes = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, size in zip(term, shape, strict=True):
            if size < 1 or sizes.setdefault(letter, size) != size:
                return None
    return terms, output, sizes


def evaluate(code: Sequence[str], operands: Sequence[Any]) -> Any:
    """Return the result of a rewriting's code.

    Args:
        code: The lines, as `rewrite` returns them.
        operands: The arrays or tensors.
    """
    return compiled(code)(operands)


def compiled(code: Sequence[str]) -> Any:
    """Return the function of operands and a number of times that runs a rewriting's code so often.

    Args:
        code: The lines, as `rewrite` returns them: names, numbers and letters, none of it from elsewhere.
    """
    import numpy as np  # noqa: PLC0415 - loaded by every program with contractions

    count = sum(any(name in line for line in code) for name in NAMES)
    body = ["for _ in range(times):", *(f"    {line}" for line in code), "return result"]
    lines = ["def rewritten(operands, times=1):", f"({', '.join(NAMES[:count])},) = operands", *body]
    space: dict[str, Any] = {"np": np}
    exec("\n    ".join(lines), space)  # noqa: S102 - our own code, see above
    return space["rewritten"]


def _path(equation: str, shapes: Sequence[tuple[int, ...]]) -> list[tuple[int, int]] | None:
    """Return the best order of pairs; None if it is none of pairs."""
    if len(shapes) == PAIR:
        return [(0, 1)]
    import numpy as np  # noqa: PLC0415 - as above

    search = "optimal" if len(shapes) <= MOST_SEARCHED else "greedy"
    try:
        empty = [np.broadcast_to(np.float64(0), shape) for shape in shapes]
        path = np.einsum_path(equation, *empty, optimize=search)[0][1:]
    except (ValueError, OverflowError):  # more axes or elements than an array has
        return None
    return (
        [(int(step[0]), int(step[1])) for step in path] if all(len(step) == PAIR for step in path) else None
    )


def _with_path(equation: str, operands: int, path: list[tuple[int, int]]) -> str:
    steps = ", ".join(["'einsum_path'", *map(str, path)])
    names = ", ".join(NAMES[:operands])
    return f"result = np.einsum({equation.replace(' ', '')!r}, {names}, optimize=[{steps}])"


class _Writer:
    """Writes expressions, and keeps the indices whose sizes they need."""

    def __init__(self, library: str) -> None:
        self._transpose = "permute" if library == "torch" else "transpose"
        self._needed: set[str] = set()

    def pair(self, one: _Factor, other: _Factor, kept: str, output: str | None) -> _Factor | None:
        """Return the product of two terms; None if no matrix product does it.

        Args:
            one: The first factor.
            other: The second factor.
            kept: Indices that are needed later.
            output: Order of the result's indices; None: any.
        """
        one, other = self._summed(one, other.letters + kept), self._summed(other, one.letters + kept)
        order = output
        if order is None:
            order = "".join(each for each in one.letters + other.letters if each in kept)
        both = set(one.letters) & set(other.letters)
        batch, rows, columns = (
            "".join(dict.fromkeys(each for each in order if each in group))
            for group in (both & set(kept), set(one.letters) - both, set(other.letters) - both)
        )
        if rows and columns and not batch and order.index(columns[0]) < order.index(rows[0]):
            one, other, rows, columns = other, one, columns, rows
        longer = max(one, other, key=lambda term: len(term.letters))
        inner = "".join(each for each in longer.letters if each in both - set(batch))
        if not inner:
            return self._broadcast(one, other, output if output is not None else batch + rows + columns)
        if batch and not rows and not columns:
            return None  # scalar products of many short vectors: slower as matrix products
        plain = len(rows) <= 1 and len(columns) <= 1 and len(inner) == 1
        plain = plain and (not batch or len(rows) == len(columns) == 1)
        left = self._ordered(one, batch + rows + inner)
        right = self._ordered(other, batch + inner + columns)
        if plain:
            text = f"{left} @ {right}"
        else:
            text = f"{self._shaped(left, batch, rows, inner)} @ {self._shaped(right, batch, inner, columns)}"
        letters = batch + rows + columns
        if not plain and (batch or len(rows) > 1 or len(columns) > 1):
            text = f"({text}).reshape({self._sizes(letters)})"
            return self._in_order(_Factor(text, letters), output)
        return self._in_order(_Factor(f"({text})", letters), output, inner=text)

    def unpacked(self, terms: Iterable[str]) -> list[str]:
        """Return the line that reads the needed sizes from the operands; none if none is needed.

        Args:
            terms: Indices of the operands.
        """
        left, targets, sources = set(self._needed), [], []
        for name, letters in zip(NAMES, terms, strict=False):
            if found := left & set(letters):
                left -= found
                targets.append(", ".join(each if each in found else "_" for each in letters))
                sources.append(f"{name}.shape")
        if not targets:
            return []
        if len(targets) == 1:
            return [f"{_tuple(targets[0])} = {sources[0]}"]
        return [f"{', '.join(_tuple(each, always=True) for each in targets)} = {', '.join(sources)}"]

    def _summed(self, term: _Factor, wanted: str) -> _Factor:
        """Sum over indices that nothing else has."""
        axes = [place for place, letter in enumerate(term.letters) if letter not in wanted]
        if not axes:
            return term
        text = f"{term.text}.sum({axes[0] if len(axes) == 1 else tuple(axes)})"
        return _Factor(text, "".join(letter for letter in term.letters if letter in wanted))

    def _broadcast(self, one: _Factor, other: _Factor, order: str) -> _Factor:
        return _Factor(f"{self._aligned(one, order)} * {self._aligned(other, order)}", order)

    def _aligned(self, term: _Factor, order: str) -> str:
        """Return a term with an axis of length 1 for each index that it lacks; leading ones need none."""
        text = self._ordered(term, "".join(each for each in order if each in term.letters))
        axes = [":" if each in term.letters else "None" for each in order]
        while axes and axes[0] == "None":
            del axes[0]
        return f"{text}[{', '.join(axes)}]" if "None" in axes else text

    def _ordered(self, term: _Factor, order: str) -> str:
        if term.letters == order:
            return term.text
        if len(order) == PAIR:
            return f"{term.text}.T"
        return f"{term.text}.{self._transpose}({', '.join(str(term.letters.index(each)) for each in order)})"

    def _in_order(self, term: _Factor, output: str | None, inner: str | None = None) -> _Factor:
        if output is None or term.letters == output:
            return _Factor(term.text if inner is None else inner, term.letters)
        return _Factor(self._ordered(term, output), output)

    def _shaped(self, text: str, batch: str, *groups: str) -> str:
        """Return an array reshaped to the batch and one axis for each group; a vector has one axis only."""
        groups = groups if batch else tuple(group for group in groups if group)
        if all(len(group) == 1 for group in groups):
            return text
        self._needed |= set("".join(groups)) | set(batch)
        lengths = [*batch, *(" * ".join(group) or "1" for group in groups)]
        return f"{text}.reshape({', '.join(lengths)})"

    def _sizes(self, letters: str) -> str:
        self._needed |= set(letters)
        return ", ".join(letters)


def _tuple(letters: str, *, always: bool = False) -> str:
    if "," not in letters:
        return f"({letters},)"
    return f"({letters})" if always else letters


def _product(letters: Iterable[str], sizes: Mapping[str, int]) -> int:
    return math.prod(sizes[each] for each in letters)
