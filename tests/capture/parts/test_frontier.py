"""Which modules are timed: few rows that take the time, and exactly the time of each call."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
from tests.support import ExactClock

from instrumented_calc.capture.parts.call_tree import CallTree
from instrumented_calc.capture.parts.frontier import LONGEST_NAME, MOST_ROWS, choose, summed

MS = 1_000_000


def run(tree, times, nested, parent=""):
    """Let parts run: `nested` is {name: (own ms, {inside})}."""
    for name, (own, inside) in nested.items():
        path = f"{parent}.{name}" if parent else name
        tree.enter(path)
        times[path] = times.get(path, 0) + round(own * MS)
        run(tree, times, inside, path)
        tree.leave()


def chosen(nested, **classes):
    """Return the rows of a call in ms."""
    tree, times = CallTree(), {}
    run(tree, times, nested)
    known = {path: classes.get(path.rpartition(".")[2], "Module") for path in times if path != "backward"}
    names = choose(tree, times, known)
    rows = summed(times, tree.parents, known, names, {})
    return {name: time / MS for name, time in rows.items()}


def test_a_module_that_holds_all_is_passed_through():
    blocks = {"embed": (10, {}), "block": (60, {}), "head": (30, {})}
    assert chosen({"potential": (0, {"model": (0, blocks)})}) == {"embed": 10, "block": 60, "head": 30}


def test_a_module_that_only_runs_another_one_keeps_its_name():
    head = {"layers": (30, {})}
    assert chosen({"model": (0, {"embed": (70, {}), "head": (0, head)})}) == {"embed": 70, "head": 30}


def test_a_long_backward_pass_does_not_hide_the_modules():
    blocks = {"embed": (10, {}), "block": (9, {}), "head": (8, {})}
    rows = chosen({"graph": (30, {}), "model": (0, blocks), "backward": (500, {})})
    assert rows == {"graph": 30, "embed": 10, "block": 9, "head": 8, "backward": 500}


def test_repeated_blocks_are_one_row_with_their_number():
    blocks = {f"blocks.{i}": (20, {}) for i in range(5)}
    assert chosen({"model": (0, {"embed": (10, {}), **blocks})}) == {"embed": 10, "blocks x5": 100}


def test_many_small_modules_are_not_timed_one_by_one_once_the_table_says_something():
    inside = {"linear": (8, {}), "gate": (8, {})}
    blocks = {"embed": (10, {}), "readout": (10, {}), "pool": (10, {}), "mix": (10, {})}
    few = chosen({"model": (0, blocks | {f"blocks.{i}": (1, inside) for i in range(3)})})
    many = chosen({"model": (0, blocks | {f"blocks.{i}": (1, inside) for i in range(8)})})
    assert {"linear x3", "gate x3"} < few.keys()
    assert many == {"embed": 10, "readout": 10, "pool": 10, "mix": 10, "blocks x8": 136}


def test_blocks_that_are_numbered_in_their_names_are_one_row_too():
    layers = {f"{i}_convolution": (20, {}) for i in range(3)} | {f"{i}_gate": (5, {}) for i in range(3)}
    assert chosen({"model": (0, layers)}) == {"convolution x3": 60, "gate x3": 15}


def test_members_of_a_sequence_are_known_by_their_class():
    layers = {str(i): (10, {}) for i in range(4)}
    rows = chosen({"net": (0, layers)}, **{"0": "Linear", "1": "ReLU", "2": "Linear", "3": "Tanh"})
    assert rows == {"net.Linear x2".removeprefix("net."): 20, "net.1": 10, "net.3": 10}


def test_own_work_of_a_module_is_a_row_if_it_takes_time():
    rows = chosen({"model": (20, {"a": (40, {}), "b": (39, {}), "c": (1, {})})})
    assert rows == {"a": 40, "b": 39, "model": 21}


def test_other_parts_of_a_call_keep_their_names_and_times():
    nested = {"model": (0, {"a": (20, {}), "b": (20, {})}), "backward": (60, {})}
    assert chosen(nested) == {"a": 20, "b": 20, "backward": 60}


def test_a_module_never_takes_the_name_of_another_part():
    rows = chosen({"net": (0, {"backward": (50, {}), "head": (50, {})}), "backward": (60, {})})
    assert rows == {"net.backward": 50, "head": 50, "backward": 60}


def test_names_are_as_long_as_they_must_be_to_differ():
    rows = chosen(
        {
            "model": (
                0,
                {
                    "first": (0, {"linear": (20, {}), "x": (30, {})}),
                    "second": (0, {"linear": (40, {}), "y": (10, {})}),
                },
            )
        }
    )
    assert rows == {"first.linear": 20, "x": 30, "second.linear": 40, "y": 10}


def test_a_module_that_is_run_too_often_is_not_opened():
    tree, times = CallTree(), {"model": MS}
    tree.enter("model")
    for _ in range(1000):
        tree.enter("model.cell")
        times["model.cell"] = times.get("model.cell", 0) + MS
        tree.leave()
    tree.leave()
    assert set(choose(tree, times, {"model": "M", "model.cell": "C"}).values()) == {"model"}


def test_a_module_with_too_many_inside_is_opened_for_the_largest():
    layers = {f"layer_{chr(97 + i)}": (10 - i / 2, {}) for i in range(12)}
    rows = chosen({"model": (5, layers)})
    assert len(rows) == MOST_ROWS
    assert rows["layer_a"] == 10
    assert rows["model"] == 5 + sum(10 - i / 2 for i in range(9, 12))


def trees(depth=3):
    inside = st.just({}) if depth == 0 else trees(depth - 1)
    names = st.sampled_from(["a", "b", "0", "1", "2", "0_c", "1_c", "d" * 50, "backward"])
    return st.dictionaries(names, st.tuples(st.integers(0, 100), inside), max_size=5)


@given(trees())
def test_whatever_the_model_rows_are_few_short_and_sum_to_the_measured_time(nested):
    tree, times = CallTree(), {}
    run(tree, times, {"model": (1, nested)})
    classes = dict.fromkeys(times, "Module")
    names = choose(tree, times, classes)
    rows = summed(times, tree.parents, classes, names, {})
    assert 1 <= len(set(names.values())) <= MOST_ROWS
    assert all(len(name) <= LONGEST_NAME for name in rows)
    outermost = next(iter(times))
    covered = sum(times.values()) if outermost in names else sum(rows.values())
    assert sum(rows.values()) == covered
    assert itertools.chain(rows)  # every row was timed
    assert set(rows) <= set(names.values())


def test_work_is_told_apart_by_the_part_that_runs():
    clock = ExactClock()
    tree = CallTree(clock)
    clock.advance(100)
    tree.enter("model")
    clock.advance(5)
    tree.enter("Term / head")
    clock.advance(7)
    tree.leave()
    clock.advance(2)
    tree.leave()
    clock.advance(100)
    tree.enter("model")
    tree.leave()
    assert tree.times["model"] == tree.times["head"] == 7
    assert tree.parents == {"model": "", "head": "model"}
    assert tree.entries == {"model": 2, "head": 1}
