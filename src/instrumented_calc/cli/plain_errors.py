"""Errors in the words of the command line: option names as they are typed, and no names of types."""

from __future__ import annotations

import re
from typing import Any

# Names of Python whose option is not the same word with dashes.
OPTIONS = {
    "equilibration": "--equilibrate",
    "journal": "--output",
    "temperature_k": "--temperature",
    "time_limit_s": "--time-limit",
    "timestep_fs": "--timestep",
}
# How the API begins an error about a value, and how click does.
OF_THE_API = re.compile(r"(?P<name>[a-z_]+)(?: (?=must be )|=(?P<value>[^:]*): )")
OF_CLICK = re.compile(r"(?P<value>.*) is not (?:a valid|in the range|one of) .*", re.DOTALL)
POSSIBLE = re.compile(r" \(Possible options: ([^,)]+).*\)")
UNEXPECTED = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", re.DOTALL)


def in_options(text: str) -> str:
    """Return an error of the API with the option in place of the argument that it names.

    Args:
        text: Such as `n_atoms must be an integer from 1 to 1,000,000, not 0`.
    """
    found = OF_THE_API.match(text)
    if found is None:
        return text
    option = OPTIONS.get(found["name"], f"--{found['name'].replace('_', '-')}")
    value = "" if found["value"] is None else f"{found['value']}: "
    return f"{option} {value}{text[found.end() :]}"


def usage_words(error: Any) -> str:
    """Return what is wrong with a command line.

    Args:
        error: An error of click.
    """
    text = str(error.format_message()) if hasattr(error, "format_message") else str(error)
    parameter: Any = getattr(error, "param", None)
    found = None if parameter is None else OF_CLICK.fullmatch(str(error.message))
    if found is not None and (wanted := _wanted(parameter.type)):
        name = next((each for each in parameter.opts if each.startswith("--")), parameter.opts[0])
        return f"{name} must be {wanted}, not {_as_typed(found['value'])}"
    text = UNEXPECTED.sub(r"unexpected argument: \1", text)
    return POSSIBLE.sub(r"; did you mean \1?", text)


def _wanted(kind: Any) -> str:
    """Return what a type of click accepts; empty if that is not known."""
    choices = getattr(kind, "choices", None)
    if choices:
        return f"one of {', '.join(map(str, choices))}"
    word = (
        "an integer" if kind.name.startswith("int") else "a number" if kind.name.startswith("float") else ""
    )
    least, most = getattr(kind, "min", None), getattr(kind, "max", None)
    if not word or (least is None and most is None):
        return word
    if most is None:
        return f"{word} of at least {least}"
    return f"{word} of at most {most}" if least is None else f"{word} from {least} to {most}"


def _as_typed(value: str) -> str:
    try:
        return f"{float(value):g}"  # click shows -1 as -1.0
    except ValueError:
        return value
