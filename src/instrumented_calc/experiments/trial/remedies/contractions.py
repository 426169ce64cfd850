"""Contractions of `numpy.einsum` rewritten as matrix products, or with the best order of pairs kept."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from instrumented_calc.einsum_rewriting import compiled, rewrite
from instrumented_calc.integration import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from instrumented_calc.integration import RunFacts

    Code = Callable[[tuple[Any, ...]], Any]


def remedies(facts: RunFacts) -> Iterator[Remedy]:
    """Yield the rewriting of the contractions that take a noticeable part of the run.

    Args:
        facts: What is known of the run as it is.
    """
    found = [(equation, rewrite(equation, shapes)) for equation, shapes in facts.contractions]
    lines = [f"np.einsum({equation!r}, first, ...): {'; '.join(new.code)}" for equation, new in found if new]
    equations = frozenset(equation for equation, new in found if new)
    if equations:
        yield Remedy(
            "einsum-rewritten",
            "instead of " + ", and of ".join(lines),
            trials=("matrix-products", "contraction-order"),
            at_import={"numpy": functools.partial(replace_einsum, equations)},
            seek=r"einsum\(",
        )


def replace_einsum(equations: Collection[str], numpy: Any) -> None:
    """Replace `numpy.einsum` by a function that rewrites these equations.

    Args:
        equations: The equations, without the blanks that a program may write in them.
        numpy: The module.
    """
    real = numpy.einsum
    known: dict[tuple[Any, ...], Code | None] = {}

    @functools.wraps(real)
    def einsum(*operands: Any, **kwargs: Any) -> Any:
        given = operands[0]
        equation = given.replace(" ", "") if isinstance(given, str) else ""
        # Rewritten code may be an einsum with its order of pairs, a list.
        ours = equation in equations
        if not ours or kwargs.keys() - {"optimize"} or isinstance(kwargs.get("optimize"), list):
            return real(*operands, **kwargs)
        try:
            key = (equation, *(each.shape for each in operands[1:]))
        except AttributeError:  # a list
            return real(*operands, **kwargs)
        if key not in known:
            known[key] = _code(equation, key[1:])
        code = known[key]
        return real(*operands, **kwargs) if code is None else code(operands[1:])

    numpy.einsum = einsum


def _code(equation: str, shapes: tuple[tuple[int, ...], ...]) -> Code | None:
    found = rewrite(equation, shapes)
    return None if found is None else compiled(found.code)
