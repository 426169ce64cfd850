"""How parts vary from call to call, worked out by hand."""

from __future__ import annotations

import pytest

from instrumented_calc.journal.records import Call


def calls(*parts: tuple[int, dict[str, int]]) -> list[Call]:
    return [
        Call(index=n, start_ns=1000 * n, wall_ns=wall, gap_ns=1000 - parts[n - 1][0], components=split)
        if n
        else Call(index=0, start_ns=0, wall_ns=wall, components=split)
        for n, (wall, split) in enumerate(parts)
    ]


def test_each_part_has_min_mean_max_and_variation(summarized):
    spread = summarized(*calls((100, {"a": 10}), (200, {"a": 30}), (300, {"a": 20}))).spread
    assert set(spread) == {"a", "other in the calculator", "between calls"}
    part = spread["a"]
    assert (part.calls, part.min_ns, part.mean_ns, part.max_ns) == (3, 10, 20, 30)
    assert part.cv == pytest.approx(0.5)
    assert spread["other in the calculator"].mean_ns == 180
    assert (spread["between calls"].min_ns, spread["between calls"].max_ns) == (800, 900)


def test_profiled_steps_are_left_out(summarized):
    made = calls((100, {"a": 10}), (200, {"a": 30}), (900, {"a": 700}))
    made[2].profiled = True
    spread = summarized(*made).spread
    assert (spread["a"].calls, spread["a"].max_ns) == (2, 30)
    assert spread["between calls"].calls == 1


def test_one_call_does_not_vary(summarized):
    spread = summarized(Call(index=0, start_ns=0, wall_ns=7)).spread
    assert spread["calculator"].cv is None
    assert "between calls" not in spread


def test_means_times_calls_sum_to_the_calls_time(summarized):
    summary = summarized(*calls((100, {"a": 10, "b": 5}), (250, {"a": 30})))
    inside = [each for name, each in summary.spread.items() if name != "between calls"]
    assert sum(each.mean_ns * each.calls for each in inside) == 350
