"""Where in the code: the section, the line in the summary, and the exports."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.analysis.test_places import STACKS, sampled, write  # noqa: F401 - a fixture

from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.cli import main
from instrumented_calc.journal.records import CodeLine, Places, SampledStack
from instrumented_calc.reporting.forms.stacks import render_collapsed, render_speedscope
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.final_summary import closing_text
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.report import build_report


def text_of(journal):
    return render_text(build_report([ReadRun(summarize(journal))]))


def test_the_section_names_functions_lines_and_uncertainty(write):  # noqa: F811
    text = text_of(write(sampled(STACKS, unseen=7)))
    rows = text.partition("Where in the code\n")[2].partition("\n\n")[0].splitlines()
    words = [" ".join(row.split()) for row in rows]
    assert words == [
        "in at % of wall 95 % interval samples",
        "calculator, rest 50.1 exact 40",
        "- dumps (json), called in MyCalc.calculate my_calc.py:43 35.7 28.4 to 40.8 30",
        "- MyCalc.calculate my_calc.py:43 11.9 6.7 to 19.1 10",
        "- - line 43 7.1 3.4 to 13.8 6",
        "- - line 50 4.8 1.9 to 11.0 4",
        "graph 30.1 exact 90",
        "- EMT.calculate (ase) 28.5 27.4 to 28.5 90",
        "integrator 19.8 exact 10",
        "- <module> md.py:7 19.8 14.3 to 19.8 10",
    ]
    assert "147 samples" in text
    assert "In 7 samples the place was too short to be seen." in text


def test_without_samples_there_is_no_section(write):  # noqa: F811
    journal = write()
    assert "Where in the code" not in text_of(journal)
    assert "\nwhere " not in closing_text(summarize(journal))
    assert render_collapsed([journal]) == ""
    assert json.loads(render_speedscope([journal]))["profiles"][0]["samples"] == []


def test_the_summary_names_the_largest_place(write):  # noqa: F811
    lines = closing_text(summarize(write(sampled(STACKS)))).splitlines()
    (line,) = (line for line in lines if line.startswith("where"))
    assert line.split(maxsplit=1)[1] == "about 38 % at my_calc.py:43, in dumps (json)"


def test_the_summary_names_no_place_that_may_take_less_than_a_tenth(write):  # noqa: F811
    few = [("calculator", "", [2], 1, 30), *(("calculator", "", [3 + n], 1, 1) for n in range(2))]
    assert "\nwhere " not in closing_text(summarize(write(sampled(few))))  # too few samples
    many = [("calculator", f"c{number}", [2], 1, 10) for number in range(30)]
    assert "\nwhere " not in closing_text(summarize(write(sampled(many))))


def test_the_report_for_machines_has_everything(write):  # noqa: F811
    (journal,) = json.loads(render_json([ReadRun(summarize(write(sampled(STACKS))))]))["journals"]
    part = journal["places"]["parts"][0]
    assert part["part"] == "calculator"
    place = part["places"][0]
    assert place["file"] == "/home/me/my_calc.py"
    assert set(place["estimate"]) == {"samples", "share", "low", "high"}


def test_collapsed_stacks_are_read_by_flame_graph_tools(write):  # noqa: F811
    lines = render_collapsed([write(sampled(STACKS))]).splitlines()
    assert lines[0] == (
        "<module> /home/me/md.py:7;[calculator, rest];MyCalc.calculate /home/me/my_calc.py:43;dumps (json);"
        "JSONEncoder.iterencode (json) 3000000"
    )
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == 14_000_000


def test_a_speedscope_file_keeps_to_the_published_format(write):  # noqa: F811
    """The types are those of speedscope's file-format-spec.ts (File, Frame, SampledProfile)."""
    journal = write(sampled(STACKS, unseen=3))
    file = json.loads(render_speedscope([journal, journal]))
    assert file["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert set(file) <= {"$schema", "exporter", "name", "activeProfileIndex", "shared", "profiles"}
    frames = file["shared"]["frames"]
    for frame in frames:
        assert set(frame) <= {"name", "file", "line", "col"}
        assert isinstance(frame["name"], str)
        assert frame.get("line", 1) >= 1
    assert len(file["profiles"]) == 2
    for profile in file["profiles"]:
        assert set(profile) == {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}
        assert profile["type"] == "sampled"
        assert profile["unit"] == "nanoseconds"
        assert len(profile["samples"]) == len(profile["weights"]) == 6
        assert profile["endValue"] - profile["startValue"] == sum(profile["weights"])
        assert all(0 <= number < len(frames) for stack in profile["samples"] for number in stack)


@pytest.mark.parametrize("form", ["speedscope", "collapsed"])
def test_the_command_exports(write, form, capsys):  # noqa: F811
    journal = write(sampled(STACKS))
    main(["report", str(journal.path), "--format", form])
    assert "MyCalc.calculate" in capsys.readouterr().out


def test_hostile_names_are_shown_as_plain_text(write):  # noqa: F811
    bad = "\x1b[31m;evil\n" * 50
    record = Places(
        0, 60, 60, 60.0, [CodeLine(bad, bad, bad, 3)], [SampledStack("calculator", 60, 60, bad, [0], 1)]
    )
    journal = write(record)
    for text in (
        text_of(journal),
        closing_text(summarize(journal)),
        render_collapsed([journal]),
        render_speedscope([journal]),
    ):
        assert "\x1b" not in text
    assert len(render_collapsed([journal]).splitlines()) == 1
    assert len(msgspec.json.decode(render_speedscope([journal]))["shared"]["frames"]) == 2
