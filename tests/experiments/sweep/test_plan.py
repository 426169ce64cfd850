"""A plan becomes a manifest of cells whose keys are safe, stable, and those of their values."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import msgspec
import pytest

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.sweep.cell import SweepCell
from instrumented_calc.experiments.sweep.manifest import read_manifest, write_manifest
from instrumented_calc.experiments.sweep.plan import read_plan
from instrumented_calc.journal.masking import mask_secrets

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
SMALL = 'calculators = ["emt"]\nsystems = ["copper"]\nsizes = [4]\n'
CELL = SweepCell(
    calc="emt", system="copper", n_atoms=4, replicate=1, steps=100, threads=1, temperature_k=300.0, seed=0
)


def planned(text: str):
    Path("sweep.toml").write_text(text, encoding="utf-8")
    return read_plan(Path("sweep.toml"))


def test_every_combination_is_a_cell():
    manifest, notes = planned(
        'calculators = ["emt", "lj"]\nsystems = ["copper", "silicon"]\n'
        "sizes = [4, 8, 9]\nreplicates = 2\nsteps = 7\n"
    )
    cells = [*manifest.cells.values()]
    # 9 atoms of silicon are 8, which is there already.
    assert len(cells) == 2 * (3 + 2) * 2
    assert {each.steps for each in cells} == {7}
    assert notes == ["9 atoms requested; silicon has 8: 2 atoms per primitive cell"]
    assert manifest.name == "sweep"


def test_grids_take_from_the_top_what_they_leave_out():
    manifest, _ = planned(
        'sizes = [4]\nsteps = 3\n[[grid]]\ncalculators = ["emt"]\nsystems = ["copper"]\n'
        '[[grid]]\ncalculators = ["lj", "emt"]\nsystems = ["copper"]\nthreads = 2\nsteps = 5\n'
    )
    found = [(each.calc, each.threads, each.steps) for each in manifest.cells.values()]
    assert found == [("emt", 1, 3), ("lj", 2, 5), ("emt", 2, 5)]


def test_equal_cells_are_kept_once():
    manifest, _ = planned('calculators = ["emt", "emt"]\nsystems = ["copper"]\nsizes = [4]\n')
    assert len(manifest.cells) == 1


def test_a_manifest_is_read_as_it_was_written():
    manifest, _ = planned(SMALL + "replicates = 3\n")
    write_manifest(manifest, Path("m.json"))
    first = Path("m.json").read_bytes()
    assert read_manifest(Path("m.json")) == manifest
    write_manifest(manifest, Path("m.json"))
    assert Path("m.json").read_bytes() == first


def test_the_key_of_a_cell_never_changes():
    """Results of earlier versions are found by it."""
    assert CELL.key == "emt-copper-n4-r1-8cb485320d53"
    # Nor on the way to another process.
    assert pickle.loads(pickle.dumps(CELL)).key == CELL.key  # noqa: S301 - its own
    assert msgspec.json.decode(msgspec.json.encode(CELL), type=SweepCell).key == CELL.key


@pytest.mark.parametrize("name", SweepCell.__struct_fields__)
def test_everything_that_defines_a_cell_is_in_its_key(name):
    other = msgspec.structs.replace(CELL, **{name: "x" if name in ("calc", "system") else 9})
    assert other.key != CELL.key


@pytest.mark.parametrize(
    "calc",
    [
        "a;rm -rf $HOME:f", "../../etc/passwd", "$(reboot)", "`id`", "a b\n*?", "-rf", ".hidden",
        "\u00e9\u4e2d", "", "x" * 500, "sk-abcdefghijklmnopqrstuvwx:make", "hf_abcdefghijklmnopqrstuvwx:make",
    ],
)  # fmt: skip
def test_a_key_is_a_safe_name_and_survives_masking(calc):
    key = msgspec.structs.replace(CELL, calc=calc).key
    assert SAFE.fullmatch(key)
    assert mask_secrets(key) == key


def test_the_content_of_a_calculators_file_is_in_its_key():
    text = SMALL.replace('"emt"', '"calc.py:make", "emt"')
    _, notes = planned(text)
    assert notes == ["the file of calc.py:make is not here, and the keys do not depend on its content"]
    keys = []
    for content in ("a", "b", "b"):
        Path("calc.py").write_text(content, encoding="utf-8")
        manifest, notes = planned(text)
        assert notes == []
        write_manifest(manifest, Path("m.json"))
        assert read_manifest(Path("m.json")) == manifest
        keys.append([*manifest.cells])
    assert keys[1] == keys[2]
    assert keys[0][0] != keys[1][0]
    assert keys[0][1] == keys[1][1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("calculators = [", "not TOML"),
        ('calculators = ["emt"]\n', "missing required field `systems`"),
        (SMALL + "step = 3\n", "unknown field `step`; did you mean steps?"),
        (SMALL + "[[grid]]\nfoo = 1\n", "unknown field `foo`; known: calculators, systems"),
        (SMALL + "steps = 0\n", "steps must be an integer from 1"),
        (SMALL + "replicates = 0\n", "replicates must be an integer from 1"),
        (SMALL + "grid = 3\n", "[[grid]]"),
        (SMALL.replace("copper", "cooper"), "copper"),
        (SMALL.replace("[4]", "[0]"), "n_atoms must be an integer from 1"),
        (SMALL.replace("[4]", "[]"), "number of cells"),
        (SMALL.replace("[4]", '["4"]'), "Expected `int`"),
    ],
)
def test_a_wrong_plan_is_one_line_with_its_file(text, words):
    with pytest.raises(ExperimentError, match=re.escape(words)) as caught:
        planned(text)
    assert str(caught.value).startswith("sweep.toml: ")
    assert "\n" not in str(caught.value)


def test_a_manifest_whose_key_is_another_path_is_refused():
    manifest, _ = planned(SMALL)
    write_manifest(manifest, Path("m.json"))
    found = json.loads(Path("m.json").read_text(encoding="utf-8"))
    found["cells"][0]["key"] = "../../outside"
    Path("m.json").write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(ExperimentError, match="the key of cell 1"):
        read_manifest(Path("m.json"))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": "instrumented-calc-sweep/1", "cells": []}'])
def test_another_file_is_no_manifest_and_is_not_replaced(text):
    manifest, _ = planned(SMALL)
    Path("m.json").write_text(text, encoding="utf-8")
    with pytest.raises(ExperimentError, match=re.escape("m.json: ")):
        write_manifest(manifest, Path("m.json"))
    assert Path("m.json").read_text(encoding="utf-8") == text
