"""Mask secrets in values: command-line arguments, environment variables, JSON, text.

Values are masked, never encoded text: a record is decoded, its strings are masked one by one, and it is
encoded again. So the output is as well-formed as the input, and other values are unchanged. The token
patterns are those published by their issuers; a library of detectors (detect-secrets) would add its own
dependencies to every simulation, and masks files, not arguments.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from instrumented_calc.journal.secret_names import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MASKED = "***"
JSON_DEPTH = 50  # of JSON strings and values within; deeper ones are masked entirely
PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
    r"(?:-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
# user:password@ in a URL; also a user alone, because a token is often written there.
URL_USER = re.compile(r"""(\b[A-Za-z][A-Za-z0-9+.-]{0,30}://)[^/?#\s"']+@""")
SCHEME = re.compile(r"\b(Bearer|Basic|Digest|Token)(\s+)[A-Za-z0-9+/=._~-]{6,}")
HEADER = re.compile(
    r"""\b((?:Proxy-)?Authorization["']?\s*[:=,]\s*["']?(?:(?:Bearer|Basic|Digest|Token)\s+)?)[^\s"',;]+""",
    re.IGNORECASE,
)
# Google, GitHub, GitLab, Hugging Face, OpenAI and similar, Slack, Stripe, PyPI, npm, AWS, JSON web tokens.
TOKEN_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:AIza[\w-]{30,}|gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|hf_\w{16,}"
    r"|sk-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|[rsp]k_(?:live|test)_\w{10,}|pypi-[\w-]{16,}|npm_\w{16,}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{12,}|eyJ[\w-]{8,400}\.[\w-]{8,}\.[\w-]*)"
)
# Start of a value: `name=value`, `"name": "value"`, `x["name"] = 'value'`, `name: str = "value"`; and
# `"name", "value"` of pairs and lists of arguments; and `--name value`.
_NAME = r"(?P<name>[A-Za-z_][\w.-]{0,100})"
NAMED = (
    re.compile(
        rf"""(?<![\w.-])-{{0,2}}{_NAME}\\?["']?\]?(?:\s?:\s?[A-Za-z_][\w.\[\]| ]{{0,40}}(?=\s?=[^=]))?"""
        r"""\s{0,8}(?:=>|:=|=(?!=)|:(?!//))\s{0,8}"""
    ),
    re.compile(rf"""["']-{{0,2}}{_NAME}["']\s{{0,8}},\s{{0,8}}(?=["'])"""),
    re.compile(rf"(?<![\w-])--?{_NAME}\s{{1,8}}(?!-)"),
)
# In quotes, in escaped quotes, or up to a space; an unterminated quote extends to the end.
VALUE = re.compile(
    r"""(?!(?:Bearer|Basic|Digest|Token)\s)(?:(?P<quote>\\?["'])(?P<quoted>.*?)(?P<end>(?<!\\)(?P=quote)|\Z)"""
    r"""|[^\s&"']*[^\s&"',;:)\]}.])""",
    re.DOTALL,
)
NAMED_ARGUMENT = re.compile(
    r"(?P<head>[-+~]{0,2}(?P<name>[A-Za-z_][\w.@/-]{0,200})=)(?P<value>.*)", re.DOTALL
)
# Before a secret: `--any-name`, `any-name:`, and few words without either: `login token abc`.
NEXT_IS_VALUE = re.compile(
    r"-{1,2}[A-Za-z][\w.-]*|[A-Za-z][\w-]*:|bearer|password|passwd|passphrase|(?:\w+[-_])?token|secret|api[-_]?key",
    re.IGNORECASE,
)
NESTED_ARGUMENTS = 5
SHORT = 300  # characters up to which a masked text is cached


def mask_arguments(arguments: Iterable[str]) -> list[str]:
    """Return a command line with its secrets masked, argument by argument.

    Short options such as `-p` are not masked: their meaning differs from program to program.

    Args:
        arguments: As in `sys.argv`.
    """
    found: list[str] = []
    secret_next = False
    for each in arguments:
        if secret_next and each and not each.startswith("-"):
            found.append(MASKED)
        else:
            found.append(_argument(each))
        secret_next = NEXT_IS_VALUE.fullmatch(each) is not None and is_secret_name(each)
    return found


def mask_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables, sorted, with secrets masked: by name, and within values."""
    return {
        name: MASKED if value and is_secret_name(name) else mask_secrets(value)
        for name, value in sorted(variables.items())
    }


def mask_secrets(text: str) -> str:
    """Mask the secrets in a text: key blocks, credentials in URLs and headers, tokens, named secrets.

    Args:
        text: Any text, code and JSON too; JSON stays JSON.
    """
    return _short(text) if len(text) <= SHORT else _masked(text)


def _masked(text: str) -> str:
    if text.lstrip()[:1] in {"{", "["}:
        try:
            value = json.loads(text)
            masked = mask_values(value, numbers=True)
            return text if masked == value else json.dumps(masked, ensure_ascii=False)
        except (ValueError, RecursionError):
            pass  # not JSON after all
    text = PRIVATE_KEY.sub(MASKED, text)
    text = URL_USER.sub(rf"\1{MASKED}@", text)
    text = HEADER.sub(rf"\1{MASKED}", text)
    text = SCHEME.sub(rf"\1\2{MASKED}", text)
    text = TOKEN_SHAPES.sub(MASKED, text)
    for pattern in NAMED:
        text = _mask_named(pattern, text)
    return text


# A journal repeats the names of its classes, fields and components in every row.
_short = lru_cache(maxsize=4096)(_masked)


def mask_values(value: Any, *, numbers: bool = False, depth: int = JSON_DEPTH) -> Any:
    """Return decoded JSON with its secrets masked; its shape and all other values are unchanged.

    Args:
        value: A value returned by `json.loads`.
        numbers: Whether a number under a secret name is masked too. Not in our own records, where a user's
            component may be called `key`, as in every attention layer, and the number is its time.
        depth: Maximum nesting of values; deeper ones are masked entirely.
    """
    if isinstance(value, str):
        return mask_secrets(value)
    if not isinstance(value, (dict, list)):
        return value
    if depth <= 0:
        return MASKED
    if isinstance(value, list):
        return _masked_list(value, numbers=numbers, depth=depth - 1)
    return {
        mask_secrets(key): _hidden(each, numbers=numbers, depth=depth - 1)
        if is_secret_name(key)
        else mask_values(each, numbers=numbers, depth=depth - 1)
        for key, each in value.items()
    }


def _masked_list(values: list[Any], *, numbers: bool, depth: int) -> list[Any]:
    """Mask the items of a list; one of strings may be a command line."""
    if all(isinstance(each, str) for each in values):
        return mask_arguments(values)
    return [mask_values(each, numbers=numbers, depth=depth) for each in values]


def _hidden(value: Any, *, numbers: bool, depth: int) -> Any:
    """Return the replacement for a value under a secret name."""
    if isinstance(value, str):
        return MASKED if value else value
    if isinstance(value, (dict, list)) and depth <= 0:
        return MASKED
    if isinstance(value, dict):
        return {key: _hidden(each, numbers=numbers, depth=depth - 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_hidden(each, numbers=numbers, depth=depth - 1) for each in value]
    if isinstance(value, bool) or value is None:
        return value
    return MASKED if numbers else value


def _argument(text: str, nested: int = NESTED_ARGUMENTS) -> str:
    named = NAMED_ARGUMENT.fullmatch(text) if nested else None
    if named is None:
        return mask_secrets(text)
    if is_secret_name(named["name"]):
        return named["head"] + MASKED if named["value"] else text
    # The value is an argument of its own: --env=PGPASSWORD=X, --config={"api_key": "X"}.
    return named["head"] + _argument(named["value"], nested - 1)


def _mask_named(pattern: re.Pattern[str], text: str) -> str:
    """Mask the values after all secret names that the pattern finds."""
    parts, done, place = [], 0, 0
    while found := pattern.search(text, place):
        place = found.end()
        value = VALUE.match(text, place) if is_secret_name(found["name"]) else None
        if value is None or value["quoted"] == "":
            continue
        quote, end = value["quote"] or "", value["end"] or ""
        parts.append(f"{text[done:place]}{quote}{MASKED}{end}")
        done = place = value.end()
    return "".join(parts) + text[done:]
