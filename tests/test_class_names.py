"""Class names are unique: a name stands for one thing in the whole tree."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]


def classes() -> dict[str, set[str]]:
    """Return the files that define a class of each name, without the underscore of private ones."""
    found = defaultdict(set)
    for folder in ("src", "integrations"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    found[node.name.lstrip("_")].add(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def test_class_names_are_unique():
    twice = {name: sorted(places) for name, places in classes().items() if len(places) > 1}
    assert twice == {}
