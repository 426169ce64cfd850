"""Decoding blocks of rows: the quick and the thorough decoder agree."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc.journal import row_collector, row_decoder
from instrumented_calc.journal.row_collector import RowCollector
from instrumented_calc.journal.row_decoder import RowDecoder

TIMES = st.integers(0, 2**62)
NAMES = st.sampled_from(["a", "energy_ev", "to host", 'a "quoted" one', "caf\u00e9", "back\\slash", ""])
ROWS = st.lists(
    st.fixed_dictionaries(
        {"event": st.just("call"), "index": TIMES, "start_ns": TIMES, "wall_ns": TIMES},
        optional={
            "gap_ns": st.integers(-5, 2**62),
            "step": st.integers(-2, 10),
            "energy_ev": st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            "components": st.none() | st.dictionaries(NAMES, TIMES, max_size=4),
            "lane": st.none() | st.integers(0, 3),
            "changes": st.none() | st.lists(st.sampled_from(["energy_ev", "cell"]), max_size=2),
            "failure": st.none() | st.text(max_size=5),
            "rss_bytes": st.none() | TIMES,
            "parent": TIMES,
            "observers_ns": TIMES,
            "gc_ns": TIMES,
            "child_exit_status": st.integers(-5, 5),
            "counts": st.none() | st.dictionaries(NAMES, st.integers(-5, 2**62), max_size=3),
            "device_ns": st.none() | st.dictionaries(NAMES, TIMES, max_size=3),
            "compile_ns": st.none() | st.dictionaries(NAMES, TIMES, max_size=3),
            "device_free_bytes": st.none() | TIMES,
            "sliced": st.booleans(),
            "later": st.none() | st.lists(st.integers(), max_size=3),
        },
    ),
    min_size=1,
    max_size=12,
)


class FullDecoder(RowDecoder):
    """Decodes every row in full."""

    def decode(self, lines):
        return self._full_block(lines)


def collected(blocks, decoder):
    collector = RowCollector(4)
    collector._decoder = decoder
    for block in blocks:
        assert collector.add(b"".join(msgspec.json.encode(row) + b"\n" for row in block)) == len(block)
    calls = collector.finished()
    return {
        name: getattr(calls, name).tolist()
        for name in ("index", "start_ns", "wall_ns", "gap_ns", "step", "lane", "changes", "split")
    } | {
        "sets": calls.change_sets,
        # The quick decoder may have parts with no time yet.
        "components": {name: times.tolist() for name, times in calls.components.items()},
        "sparse": {
            name: (sparse.rows.tolist(), sparse.values.tolist()) for name, sparse in calls.sparse.items()
        },
        "counts": {name: column.tolist() for name, column in calls.counts.items()},
        "device": {name: column.tolist() for name, column in calls.device.items()},
        "compiled": (calls.compiled.rows.tolist(), calls.compiled.values),
        "failures": (calls.failures.rows.tolist(), calls.failures.values),
    }


@given(blocks=st.lists(ROWS, min_size=1, max_size=4), most=st.integers(1, 8), usual=st.integers(1, 20))
def test_the_quick_way_finds_what_the_thorough_one_does(blocks, most, usual):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_decoder, "MOST_COMPONENTS", most)
        patch.setattr(row_collector, "MOST_COMPONENTS", most)
        patch.setattr(row_decoder, "USUAL", usual)
        assert collected(blocks, RowDecoder()) == collected(blocks, FullDecoder())


class NothingTwice(RowDecoder):
    """Decodes the first block in full, and no further row."""

    def _full_block(self, lines):
        assert not self._components, "a block is decoded in full"
        return super()._full_block(lines)

    def decode(self, lines):
        block = super().decode(lines)
        self._decode_full = lambda again: pytest.fail("decoded twice") if again else []
        return block


def test_the_usual_fields_are_decoded_the_quick_way_once_they_are_known():
    decoder = NothingTwice()
    line = (
        b'{"event":"call","index":0,"start_ns":1,"wall_ns":9,"components":{"a":4,"b":5},"observers_ns":3,'
        b'"energy_ev":-1.5,"rss_bytes":7,"counts":{"edges":8}}\n'
    )
    decoder.decode(line * 3)
    block = decoder.decode(line * 3)
    assert block.names == ["a", "b"]
    assert np.array_equal(block.times, [[4] * 3, [5] * 3])
    assert {name: values.tolist() for name, values in block.usual.items()} == {
        "observers_ns": [3] * 3,
        "rss_bytes": [7] * 3,
    }
    places, counts = block.counts["edges"]
    assert places.tolist() == [0, 1, 2]
    assert counts.tolist() == [8] * 3
    assert block.others == {}


def test_a_bad_row_leaves_no_trace():
    collector = RowCollector(4)
    good = b'{"event":"call","index":0,"start_ns":1,"wall_ns":9}\n'
    for bad in (b'{"event":"call","index":0}\n', good[:-2] + b',"rss_bytes":"much"}\n', b"\xff\n"):
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            collector.add(good + bad)
    assert collector.add(good) == 1
    assert len(collector.finished()) == 1
