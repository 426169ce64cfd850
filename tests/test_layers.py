"""The walls of the package, drawn from its imports: those at the top, in functions and for types."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "instrumented_calc"
PACKAGE = "instrumented_calc"

EVERYBODYS = {
    "_version",
    "einsum_rewriting",
    "errors",
    "foreign",
    "intervals",
    "interrupted_code",
    "naming",
    "own_process",
    "plain_text",
    "quantities",
}
# Which part may import which.
ALLOWED = {
    "_version": set(),
    "einsum_rewriting": set(),
    "errors": set(),
    "foreign": {"interrupted_code"},
    "interrupted_code": set(),
    "intervals": set(),
    "naming": set(),
    "own_process": set(),
    "plain_text": set(),
    "quantities": set(),
    "integration": set(),
    "journal": set(),
    "capture": {"journal", "integration"},
    "analysis": {"journal"},
    "reporting": {"journal", "analysis", "intake"},
    "notebook": {"capture"},
    "api": {"journal", "capture", "analysis", "reporting", "notebook"},
    "experiments": {"api", "integration", "journal", "analysis", "reporting"},
    "intake": {"journal", "analysis"},
    "cli": {"journal", "capture", "analysis", "reporting", "api", "experiments", "intake", "integration"},
    "__init__": {"api", "experiments", "journal", "reporting"},
    "__main__": {"cli"},
}
# The floors of a package, from the lowest: a file imports from its own floor and from lower ones. "" is the
# folder of the package itself.
FLOORS = {
    "capture": (
        "",
        "environment",
        "probes",
        "counting",
        "parts",
        "identity",
        "calls",
        "rows",
        "tracing",
        "places",
        "run",
        "wrapping",
    ),
    "intake": ("archives", "reading", "checks", "outgoing", ""),
}
# Imports that are to be cut: they run up a floor or close a circle. Nothing may be added.
TO_BE_CUT: set[str] = set()


@cache
def imports(path: Path) -> set[str]:
    """Names that a file imports: of modules, and of objects that may be a module or a name within one."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@cache
def modules() -> dict[str, Path]:
    """Every file of the package by its dotted name below the package; a folder's own file by the folder's."""
    found = {}
    for path in SOURCE.rglob("*.py"):
        words = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(words[:-1] if words[-1] == "__init__" and words[1:] else words)] = path
    return found


@cache
def arrows() -> dict[str, set[str]]:
    """Return for every file the files that it imports."""
    known = modules()
    drawn: dict[str, set[str]] = {}
    for name, path in known.items():
        drawn[name] = set()
        for each in imports(path):
            target = each.removeprefix(f"{PACKAGE}.")
            if target == each:
                continue
            target = target if target in known else target.rpartition(".")[0] or "__init__"
            if target != name:
                drawn[name].add(target)
    return drawn


def table() -> dict[str, set[str]]:
    """Return for every part (a package or a file at the top) the parts that it imports."""
    parts: dict[str, set[str]] = {}
    for name, targets in arrows().items():
        part = name.split(".")[0]
        parts.setdefault(part, set()).update({each.split(".")[0] for each in targets} - {part} - EVERYBODYS)
    return parts


def circles(drawn: dict[str, set[str]]) -> set[str]:
    """Return the files on a circle of imports, and their importers: those left after removing leaves."""
    left = {name: set(targets) for name, targets in drawn.items()}
    while leaves := {name for name, targets in left.items() if not targets}:
        left = {name: targets - leaves for name, targets in left.items() if name not in leaves}
    return set(left)


def floor(name: str) -> int:
    """Return the floor of a file in its package; 0 where the package has none."""
    part, *words = name.split(".")
    floors = FLOORS.get(part, ("",))
    return floors.index(words[0] if words and words[0] in floors else "")


def upward() -> set[str]:
    """Return the imports within a package that run up to a higher floor."""
    return {
        f"{name} -> {target}"
        for name, targets in arrows().items()
        for target in targets
        if name.split(".")[0] == target.split(".")[0] and floor(name) < floor(target)
    }


def without_those_to_be_cut() -> dict[str, set[str]]:
    return {
        name: {each for each in targets if f"{name} -> {each}" not in TO_BE_CUT}
        for name, targets in arrows().items()
    }


def test_no_part_imports_a_forbidden_one():
    wrong = {f"{part} -> {other}" for part, others in table().items() for other in others - ALLOWED[part]}
    assert not wrong


def test_every_part_has_its_place_in_the_table():
    assert set(table()) <= set(ALLOWED)
    assert table()["capture"], "the table is drawn from real imports"


@pytest.mark.parametrize("part", FLOORS)
def test_every_folder_has_a_floor(part):
    folders = {path.name for path in (SOURCE / part).iterdir() if (path / "__init__.py").exists()}
    assert folders == set(FLOORS[part]) - {""}


def test_no_import_runs_up_to_a_higher_floor():
    assert upward() <= TO_BE_CUT


def test_no_files_import_each_other_in_a_circle():
    assert circles(without_those_to_be_cut()) == set()


def test_an_import_that_was_cut_is_taken_off_the_list():
    assert {f"{name} -> {target}" for name, targets in arrows().items() for target in targets} >= TO_BE_CUT


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == {"a", "b", "c"}
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == set()


def test_integrations_know_only_the_protocol_and_the_errors():
    for path in (ROOT / "integrations").rglob("*.py"):
        ours = {each.split(".")[1] for each in imports(path) if each.startswith(f"{PACKAGE}.")}
        assert ours <= {"integration", "errors"}, path


def test_the_core_never_learns_the_name_of_a_model_library():
    for path in SOURCE.rglob("*.py"):
        roots = {each.split(".")[0] for each in imports(path)}
        assert not roots & {"orb_models", "fennol", "anisoap", "jax", "torch"}, path
