"""README and docs: code blocks run, commands and paths exist, generated parts are complete."""

import importlib.util
import json
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import instrumented_calc
from instrumented_calc.analysis.rules import evaluations
from instrumented_calc.analysis.rules.catalogue import NAMES
from instrumented_calc.cli.app import COMMANDS, load_command
from instrumented_calc.journal.records import describe_fields

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^>]+) -->\n)?```(?P<language>python|bash)\n(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
FILE = re.compile(r"# (\S+\.py)\n")  # a block that starts so is a file

SHELL = """
set -euo pipefail
instrumented-calc() { "$PYTHON" -m instrumented_calc "$@"; }
"""


class Block(NamedTuple):
    language: str
    code: str
    reason: str | None  # why it is not run


def blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(each["language"], each["code"], each["reason"]) for each in found]


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=400, check=False
    )


def pages_to_run() -> list:
    """Pages as parameters, named by their paths; test_readme.py runs the README."""
    return [
        pytest.param(page, id=str(page.relative_to(ROOT)))
        for page in PAGES
        if page.name != "README.md" and any(block.reason is None for block in blocks(page))
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)  # several processes, on a machine that may be busy
@pytest.mark.parametrize("page", pages_to_run())
def test_the_blocks_of_a_page_run(page, tmp_path):
    """The Python blocks of a page are one script; its shell commands run afterwards, in the same folder."""
    script, shell = "", SHELL
    for block in blocks(page):
        if block.language == "python":
            compile(block.code, str(page), "exec")
        if block.reason:
            continue
        file = FILE.match(block.code)
        if file:
            path = tmp_path / file[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            script += block.code
        else:
            shell += block.code
    (tmp_path / "page.py").write_text(script, encoding="utf-8")
    done = run(sys.executable, "page.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run("bash", "-c", shell, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def commands() -> set[str]:
    """Every command of this package in a shell block, run or not, without its prefix."""
    lines = {line for page in PAGES for block in blocks(page) for line in block.code.splitlines()}
    return {line[line.index("instrumented-calc ") :] for line in lines if "instrumented-calc " in line}


@cache
def options_of(command: str) -> set[str]:
    found = load_command(command)
    commands = [found, *getattr(found, "commands", {}).values()]
    parameters = [each for one in commands for each in one.params]
    return {"--help"} | {name for each in parameters for name in (*each.opts, *each.secondary_opts)}


@pytest.mark.parametrize("line", sorted(commands()))
def test_a_command_exists_with_its_options(line):
    words = shlex.split(line, comments=True)
    if words[1].startswith("-"):
        assert words[1:] in (["--help"], ["--version"])
        return
    assert words[1] in COMMANDS
    assert {word for word in words[2:] if word.startswith("--")} <= options_of(words[1])


def test_the_commands_are_found():
    assert {line.split()[1] for line in commands()} >= {"run", "report", "compare", "study", "ingest"}


def test_links_and_paths_exist():
    missing = []
    for page in [*PAGES, ROOT / "CHANGELOG.md"]:
        text = page.read_text(encoding="utf-8")
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
        paths = re.findall(r"`((?:src|tests|docs|integrations|examples|\.ci)/[^`<*\s]*)`", text)
        found = [page.parent / each for each in links] + [ROOT / each for each in paths]
        missing += [f"{page.name}: {each}" for each in found if not each.exists()]
    assert not missing


def generated():
    spec = importlib.util.spec_from_file_location("generated", ROOT / "docs" / "generated.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_outputs_has_every_run_of_its_script():
    source = (ROOT / "docs" / "outputs.py").read_text(encoding="utf-8")
    names = [
        name for name in re.findall(r'Shown\("([^"]+)"', source) if name != "orb"
    ]  # not in the base install
    page = (ROOT / "docs" / "guide" / "outputs.md").read_text(encoding="utf-8")
    assert len(names) >= 10
    assert [name for name in names if f"<!-- begin: {name} -->" not in page] == []
    shown = re.findall(r"```text\nReport on (.*?)```", page, re.DOTALL)
    assert len(shown) == len(re.findall("<!-- begin: ", page))
    assert max(len(each.splitlines()) for each in shown) <= 50


def page_of(name: str, folder: str = "reference") -> str:
    source = (ROOT / "docs" / folder / name).read_text(encoding="utf-8")
    page = generated().on_page_markdown(source)
    assert "<!-- generated" not in page
    return page


def test_the_rule_catalogue_has_every_rule_with_its_thresholds():
    page = page_of("rules.md")
    assert [name for name in NAMES if f"`{name}`" not in page] == []
    section = page.partition("## `evaluations-per-step`")[2].partition("\n## ")[0]
    assert f"`CALLS_PER_STEP` = {evaluations.CALLS_PER_STEP}" in section
    assert "**Remedy:** " in section
    storm = page.partition("## `tiny-contraction-storm`")[2].partition("\n## ")[0]
    assert "`TINY_NS`" in storm  # used in a comprehension only


def test_the_journal_format_has_every_field_with_its_unit():
    page = page_of("journal.md")
    for field in describe_fields().fields:
        section = page.partition(f"### `{field.event}`")[2].partition("\n### ")[0]
        row = next(line for line in section.splitlines() if line.startswith(f"| `{field.name}`"))
        assert f"| {'' if field.unit == '1' else field.unit} | {field.kind} |" in row


def test_the_table_of_calculators_has_every_cell_and_reason():
    cells = json.loads((ROOT / "tests/integrations/blindness.json").read_text(encoding="utf-8"))
    page = page_of("measured.md", "guide")
    for name, row in cells.items():
        (line,) = (line for line in page.splitlines() if line.startswith(f"| {name} |"))
        shown = [cell.strip() for cell in line.strip("|").split("|")[1:]]
        assert [cell == "yes" for cell in shown] == [cell == "measured" for cell in row.values()]
        for cell, reason in zip(shown, row.values(), strict=True):
            if cell != "yes":
                assert f"\n{cell.strip('no ()')}. {reason[0].upper()}{reason[1:]}." in page
    for column in next(iter(cells.values())):
        assert f"- **{column}**: " in page


def test_the_api_page_has_every_public_name():
    page = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: (\S+)$", page, re.MULTILINE)
    assert {f"instrumented_calc.{name}" for name in instrumented_calc.__all__} <= {*shown}
    assert [name for name in shown if pkgutil.resolve_name(name) is None] == []


def test_extras_are_installed_in_one_way():
    """Of the installed package: from a clone now, and from an index once it is published there."""
    extras = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    sources = [*PAGES, *(ROOT / "src").rglob("*.py"), *(ROOT / "integrations").rglob("*.py")]
    installs = [
        (path.name, line.strip())
        for path in sources
        for line in path.read_text(encoding="utf-8").splitlines()
        if "pip install" in line and re.search(r"\[\w+\]", line) and " -e " not in line
    ]
    assert len(installs) > 10
    for name, line in installs:
        found = re.search(r"pip install 'instrumented-calc\[(\w+)\]'", line)
        assert found, (name, line)
        assert found[1] in extras, (name, line)
