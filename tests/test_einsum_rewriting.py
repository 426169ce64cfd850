"""The code of a rewritten einsum computes what the einsum computes."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrumented_calc.einsum_rewriting import MOST_LINES, batched, evaluate, rewrite

LETTERS = "abijkBZ"


@st.composite
def contractions(draw):
    """Equations of two to four operands without traces, and shapes that fit."""
    letters = st.lists(st.sampled_from(LETTERS), max_size=4, unique=True).map("".join)
    terms = draw(st.lists(letters, min_size=2, max_size=4))
    used = sorted(set("".join(terms)))
    output = draw(st.lists(st.sampled_from(used), unique=True).map("".join)) if used else ""
    sizes = {letter: draw(st.integers(1, 4)) for letter in used}
    equation = ",".join(terms) + draw(st.sampled_from([f"->{output}", ""]))
    return equation, [tuple(sizes[letter] for letter in term) for term in terms]


@settings(max_examples=300, deadline=None)
@given(contractions())
def test_the_code_equals_the_einsum(case):
    equation, shapes = case
    found = rewrite(equation, shapes)
    if found is None:
        return
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in shapes]
    expected, result = np.einsum(equation, *arrays), evaluate(found.code, arrays)
    assert np.shape(result) == np.shape(expected)
    assert np.allclose(result, expected, rtol=1e-10, atol=1e-10)
    assert len(found.code) <= MOST_LINES


@pytest.mark.parametrize(
    ("equation", "shapes", "code"),
    [
        ("ij,jk->ik", [(3, 4), (4, 5)], ["result = first @ second"]),
        ("ij,jk->ki", [(3, 4), (4, 5)], ["result = second.T @ first.T"]),
        ("na, nb -> ab", [(9, 3), (9, 4)], ["result = first.T @ second"]),
        ("bij,bkj->bik", [(2, 3, 4), (2, 5, 4)], ["result = first @ second.transpose(0, 2, 1)"]),
        (
            "mnpqr,pqr->mn",
            [(2, 3, 4, 5, 6), (4, 5, 6)],
            [
                "m, n, p, q, r = first.shape",
                "result = (first.reshape(m * n, p * q * r) @ second.reshape(p * q * r)).reshape(m, n)",
            ],
        ),
        (
            "ijk,jl->ikl",
            [(3, 4, 5), (4, 6)],
            [
                "(i, j, k), (_, l) = first.shape, second.shape",
                "result = (first.transpose(0, 2, 1).reshape(i * k, j) @ second).reshape(i, k, l)",
            ],
        ),
        ("ij,jk,kl->il", [(3, 4), (4, 5), (5, 6)], ["part1 = first @ second", "result = part1 @ third"]),
    ],
)
def test_code_is_what_a_person_would_write(equation, shapes, code):
    assert list(rewrite(equation, shapes).code) == code


def test_torch_has_permute_instead_of_transpose():
    (line,) = rewrite("bij,bkj->bik", [(2, 3, 4), (2, 5, 4)], "torch").code
    assert line == "result = first @ second.permute(0, 2, 1)"


def test_many_operands_get_an_einsum_with_its_path():
    shapes = [(3, 4)] * 4
    (line,) = rewrite("ax,bx,ay,by->", shapes).code
    assert "optimize=['einsum_path', " in line
    assert rewrite("ax,bx,ay,by->", shapes, "torch") is None


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("...ij,jk->...ik", [(2, 3, 4), (4, 5)]),
        ("ii,ij->j", [(3, 3), (3, 4)]),
        ("ij->ji", [(3, 4)]),
        ("ij,jk->ikl", [(3, 4), (4, 5)]),
        ("ij,jk->ik", [(3, 1), (4, 5)]),  # broadcast
        ("ij,jk->ik", [(3, 0), (0, 5)]),
        ("ij,jk->ik", [(3, 4, 5), (4, 5)]),
        ("bi,bi->b", [(3, 4), (3, 4)]),  # no matrix product
        ("import os,j->", [(3,), (4,)]),
        ("*other*", [(3,), (4,)]),
        ("", []),
        (",".join("abcdefg"), [(2,)] * 7),
        ("i,j,k->", [(2**62,), (2**62,), (2**62,)]),
    ],
)
def test_what_is_no_matrix_product_has_no_code(equation, shapes):
    assert rewrite(equation, shapes) is None


def test_many_contractions_at_once_have_one_more_index():
    assert batched("mij,ij->m", [(8, 3, 4), (3, 4)]) == "mij,zij->zm"
    assert batched("z,zy", [(3,), (3, 4)]) == "xz,zy->xy"
    assert batched("ii,ij->j", [(3, 3), (3, 4)]) is None
    rng = np.random.default_rng(0)
    first, seconds = rng.normal(size=(8, 3, 4)), rng.normal(size=(5, 3, 4))
    expected = [np.einsum("mij,ij->m", first, second) for second in seconds]
    assert np.allclose(np.einsum("mij,zij->zm", first, seconds), expected)


def test_the_work_of_the_best_order_is_counted():
    found = rewrite("ij,jk,kl->il", [(50, 50)] * 3)
    assert found.macs == 2 * 50**3
    assert found.elements == 5 * 50**2
    assert rewrite("i,j->ij", [(30,), (40,)]).macs == math.prod((30, 40))


def test_smaller_operands_keep_the_code_and_the_limits():
    found = rewrite("ij,jk->ik", [(400, 30), (30, 500)])
    small = found.within(10_000, 10**6)
    assert small.code == found.code
    assert small.macs <= 10_000
    assert found.within(10**9, 2_000).elements <= 2_000
    assert found.within(10**9, 10**9) == found
    assert max(small.sizes.values()) < 2 * min(small.sizes.values())
    (left, right) = small.shapes
    assert left[1] == right[0]
