"""The parts of the documentation that are generated: rule catalogue, journal format, table of calculators.

A page asks for one with a comment on a line of its own, `<!-- generated: rules -->`. MkDocs calls
`on_page_markdown` for every page (`hooks` in mkdocs.yml).
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import msgspec

from instrumented_calc.analysis.rules.catalogue import RULES
from instrumented_calc.journal.records import RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from instrumented_calc.analysis.rules.finding import Rule

CALCULATORS = Path(__file__).parents[1] / "tests" / "integrations" / "blindness.json"
RULE_MODULES = ("instrumented_calc.analysis.rules", "instrumented_calc.analysis.soundness")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the comments that ask for a generated part (a hook of MkDocs).

    Args:
        markdown: Source of a page.

    Returns:
        The page with its generated parts.
    """
    for name, make in GENERATED.items():
        marker = f"<!-- generated: {name} -->"
        if marker in markdown:
            markdown = markdown.replace(marker, make())
    return markdown


def rule_catalogue() -> str:
    """Return one section per rule, in the order in which rules are evaluated."""
    return "\n".join(_rule_section(rule) for rule in RULES)


def _rule_section(rule: Rule) -> str:
    lines = [f"## `{rule.name}`", "", f"*{rule.severity}*. {_subject(rule)}", ""]
    lines += [f"- **Remedy:** {rule.remedy}", f"- **Confirm:** {rule.confirm}"]
    lines += [f"- **Silence:** `--ignore {rule.name}`"]
    thresholds = _threshold_rows(inspect.unwrap(rule.look))
    if thresholds:
        lines += ["", "| Threshold | Reason |", "|---|---|", *thresholds]
    return "\n".join([*lines, ""])


def _subject(rule: Rule) -> str:
    first = (inspect.getdoc(rule.look) or "").partition("\n\n")[0].replace("\n", " ")
    return first[:1].upper() + first[1:]


def _threshold_rows(look: Any) -> list[str]:
    """Return a table row for each comment in the code, with the constants below it that a rule uses."""
    rows: dict[tuple[str, str], list[str]] = {}
    for module, name, value in _constants(look, set()):
        comment = _comments(module).get(name, "")
        rows.setdefault((module, comment or name), []).append(f"`{name}` = {_shown(value)}")
    return [
        f"| {'<br>'.join(constants)} | {comment if ' ' in comment else ''} |"
        for (_, comment), constants in rows.items()
    ]


def _constants(function: FunctionType, seen: set[Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield module, name and value of the constants that a rule's function and its helpers use."""
    seen.add(function)
    for name in _global_names(function.__code__):
        value = function.__globals__.get(name)
        if isinstance(value, FunctionType) and value.__module__.startswith(RULE_MODULES):
            if value not in seen:
                yield from _constants(value, seen)
        elif name.isupper() and _is_threshold(value) and name not in seen:
            seen.add(name)
            yield _home(function.__module__, name), name, value


def _global_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:  # comprehensions, before Python 3.12
        if isinstance(inner, CodeType):
            yield from _global_names(inner)


def _is_threshold(value: Any) -> bool:
    values = value if isinstance(value, tuple) else (value,)
    return all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in values)


@cache
def _home(module: str, name: str) -> str:
    """Return the module that defines a constant, which may have been imported from another."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            return str(node.module)
    return module


@cache
def _comments(module: str) -> dict[str, str]:
    """Return the comment of each constant of a module: the lines above it, or the rest of its line."""
    source = inspect.getsource(importlib.import_module(module))
    lines = source.splitlines()
    found: dict[str, str] = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.Assign):
            continue
        above = node.lineno - 1
        while above and lines[above - 1].startswith("#"):
            above -= 1
        beside = lines[node.end_lineno - 1].partition("  # ")[2]  # type: ignore[operator]
        comment = " ".join(line[1:].strip() for line in lines[above : node.lineno - 1]) or beside
        names = [
            each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name)
        ]
        found |= dict.fromkeys(names, _cell(comment))
    return found


def _shown(value: Any) -> str:
    values = value if isinstance(value, tuple) else (value,)
    return ", ".join(f"{each:,.10g}" for each in values)


def journal_format() -> str:
    """Return one section per record of a journal, then one per structure that records contain."""
    records: list[str] = []
    parts: dict[str, str] = {}
    for record in RECORDS:
        definitions = msgspec.json.schema(record)["$defs"]
        own = definitions.pop(record.__name__)
        event = own["properties"].pop("event")["enum"][0]
        records.append(_record_section(f"`{event}`", own))
        parts |= {name: _record_section(name, each) for name, each in definitions.items()}
    return "\n".join([*records, "## Structures in records", "", *parts.values()])


def _record_section(title: str, schema: dict[str, Any]) -> str:
    rows = [
        _field_row(name, field, schema.get("required", ())) for name, field in schema["properties"].items()
    ]
    head = ["| Field | Type | Unit | Kind | Meaning |", "|---|---|---|---|---|"]
    return "\n".join([f"### {title}", "", schema["description"], "", *head, *rows, ""])


def _field_row(name: str, field: dict[str, Any], required: list[str]) -> str:
    described: dict[str, str] = next(
        (each for each in (field, *field.get("anyOf", ())) if "description" in each), {}
    )
    unit = described.get("x-unit", "")
    kind = described.get("x-kind", "value")
    meaning = _cell(described.get("description", ""))
    always = " (always)" if name in required else ""
    return f"| `{name}`{always} | {_type_of(field)} | {'' if unit == '1' else unit} | {kind} | {meaning} |"


def _type_of(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type_of(each) for each in field["anyOf"]))
    if "enum" in field:
        return " or ".join(str(each) for each in field["enum"])
    kind = field.get("type", "any")
    if kind == "array":
        items = [_type_of(each) for each in field.get("prefixItems", [field.get("items") or {}])]
        return f"array of {'(' + ', '.join(items) + ')' if len(items) > 1 else items[0]}"
    if kind == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"object of {_type_of(field['additionalProperties'])}"
    return str(kind)


def _cell(text: str) -> str:
    """Escape what Markdown reads as a column or a link, outside of code."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(each if index % 2 else each.replace("[", "\\[") for index, each in enumerate(parts))


def calculator_table() -> str:
    """Return which calculator's journals have what, and the reasons why something is absent.

    The cells are those that the tests of the real calculators check.
    """
    cells: dict[str, dict[str, str]] = json.loads(CALCULATORS.read_text(encoding="utf-8"))
    columns = [*next(iter(cells.values()))]
    reasons = dict.fromkeys(cell for row in cells.values() for cell in row.values() if cell != "measured")
    marks = {"measured": "yes"} | {reason: f"no ({n})" for n, reason in enumerate(reasons, 1)}
    lines = [f"| Calculator | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [
        f"| {name} | {' | '.join(marks[cell] for cell in row.values())} |" for name, row in cells.items()
    ]
    notes = [f"{n}. {reason[0].upper()}{reason[1:]}." for n, reason in enumerate(reasons, 1)]
    return "\n".join([*lines, "", "Absent because:", "", *notes])


GENERATED = {"rules": rule_catalogue, "journal": journal_format, "calculators": calculator_table}
