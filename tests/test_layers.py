"""The walls of the package, drawn from its imports."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "instrumented_calc"

EVERYBODYS = {"_version", "errors", "foreign", "plain_text"}
# Who may import whom.
ALLOWED = {
    "_version": set(),
    "errors": set(),
    "foreign": set(),
    "plain_text": set(),
    "integration": set(),
    "journal": set(),
    "capture": {"journal", "integration"},
    "analysis": {"journal"},
    "reporting": {"journal", "analysis", "intake"},
    "api": {"journal", "capture", "analysis", "reporting"},
    "experiments": {"api", "integration", "journal", "analysis", "reporting"},
    "intake": {"journal", "analysis"},
    "cli": {"journal", "capture", "analysis", "reporting", "api", "experiments", "intake", "integration"},
    "__init__": {"api", "experiments"},
    "__main__": {"cli"},
}


def part_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path, package: str) -> set[str]:
    """Names of the parts of `package` that a file imports, at the top, in functions and for types."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module]
            if node.module == package:
                modules = [f"{package}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        names |= {module.split(".")[1] for module in modules if module.startswith(f"{package}.")}
    return names


def table() -> dict[str, set[str]]:
    arrows: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        part = part_of(path)
        arrows.setdefault(part, set()).update(imported(path, "instrumented_calc") - {part} - EVERYBODYS)
    return arrows


def test_no_part_imports_what_it_must_not_know():
    wrong = {f"{part} -> {other}" for part, others in table().items() for other in others - ALLOWED[part]}
    assert not wrong


def test_every_part_has_its_place_in_the_table():
    assert set(table()) <= set(ALLOWED)
    assert table()["capture"], "the table is drawn from real imports"


def test_integrations_know_only_the_protocol_and_the_errors():
    for path in (ROOT / "integrations").rglob("*.py"):
        assert imported(path, "instrumented_calc") <= {"integration", "errors"}, path


def test_the_core_never_learns_the_name_of_a_model_library():
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = {
            name.split(".")[0]
            for node in ast.walk(tree)
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
        }
        assert not modules & {"orb_models", "fennol", "anisoap", "jax", "torch"}, path
