"""Mask secrets in values: command-line arguments, environment variables, JSON, text.

Values are masked, never encoded text: a record is decoded, its strings are masked one by one, and it is
encoded again. So the output is as well-formed as the input, and other values are unchanged.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from instrumented_calc.journal.secret_names import is_secret_name
from instrumented_calc.journal.secret_shapes import (
    MASKED,
    USER_AND_PASSWORD,
    USER_OPTION,
    mask_shapes,
    password_option,
)
from instrumented_calc.journal.secret_values import value_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

JSON_DEPTH = 50  # of JSON strings and values within; deeper ones are masked entirely
# Start of a value: `name=value`, `"name": "value"`, `x["name"] = 'value'`, `name: str = "value"`,
# `name%3Dvalue`; and `"name", "value"` of pairs and lists of arguments; and `--name value`; and
# `name: password, value: ...`.
_NAME = r"(?P<name>[A-Za-z_][\w.-]{0,100})"
# What follows an option that may be a flag: `--password -v`, `--token --log-level=3`, but not `-Xq7`.
_OPTION = r"(?:-[A-Za-z]\d{0,3}|--?[a-z]{2,}\d?(?:[-_.][a-z]+\d?)*)"
_NAME_BEGINS = r"(?:(?<![\w.-])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"
PAIR = re.compile(
    rf"""\b(?:[Nn]ame|[Kk]ey)["']?\s{{0,8}}[:=]\s{{0,8}}["']?{_NAME}["']?[\s,;]{{1,40}}["']?[Vv]alue["']?"""
    r"""\s{0,8}[:=]\s{0,8}"""
)
NAMED = (
    re.compile(
        rf"""{_NAME_BEGINS}-{{0,2}}{_NAME}(?:\\?["']|%22|%27)?\]?"""
        r"""(?:\s?:\s?[A-Za-z_][\w.\[\]| ]{0,40}(?=\s?=[^=]))?"""
        r"""\s{0,8}(?:=>|->|[:+?]{0,2}=(?!=)|:(?!//)|[\uff1a\uff1d]|%(?:25)?3[ADad])\s{0,8}"""
    ),
    re.compile(rf"""["']-{{0,2}}{_NAME}["']\s{{0,8}},\s{{0,8}}(?=["'])"""),
    re.compile(rf"\b(?:setenv|configure\s{{1,8}}set)\s{{1,8}}{_NAME}\s{{1,8}}"),
    re.compile(rf"(?<![\w-])--?{_NAME}\s{{1,8}}(?!{_OPTION}(?:[\s=]|\Z))"),
)
# `<password>value</password>`
ELEMENT = re.compile(
    rf"(<(?:[\w.-]{{1,100}}:)?{_NAME}(?:\s[^<>]{{0,200}})?>(?:<!\[CDATA\[)?)[^<]+(?=</|\]\])"
)
NAMED_ARGUMENT = re.compile(
    r"(?P<head>[-+~]{0,2}(?P<name>[A-Za-z_][\w.@/-]{0,200})=)(?P<value>.*)", re.DOTALL
)
# Before a secret: `--any-name`, `any-name:`, and few words without either: `login token abc`,
# `--set db.token abc`.
NEXT_IS_VALUE = re.compile(
    r"-{1,2}[A-Za-z][\w.-]*|[A-Za-z][\w-]*:"
    r"|(?:[\w-]+\.)*(?:bearer|password|passwd|passphrase|token|secret|api[-_]?key|\w+[-_][\w-]+)",
    re.IGNORECASE,
)
OPTION = re.compile(rf"{_OPTION}(?:=.*)?", re.DOTALL)
NO_SECRET = re.compile(r"true|false|yes|no|on|off|none|null|auto", re.IGNORECASE)
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
SURROGATE = re.compile("[\ud800-\udfff]")
NESTED_ARGUMENTS = 5
SHORT = 300  # characters up to which a masked text is cached


def mask_arguments(arguments: Iterable[str]) -> list[str]:
    """Return a command line with its secrets masked, argument by argument.

    A short option such as `-p` is a password of some programs only: its meaning differs from program to
    program.

    Args:
        arguments: As in `sys.argv`.
    """
    found: list[str] = []
    before, secret_next, short_option = "", False, ""
    for each in arguments:
        if secret_next and not OPTION.fullmatch(each):
            found.append(_hidden_text(each))
        else:
            found.append(_after(before, each, short_option))
        before = INVISIBLE.sub("", each)
        short_option = password_option(before) or short_option
        named = NEXT_IS_VALUE.fullmatch(before) is not None and is_secret_name(before)
        # An empty value may stand before the secret.
        secret_next = named or (short_option != "" and before == short_option) or (secret_next and not before)
    return found


def _after(before: str, argument: str, short_option: str) -> str:
    """Mask an argument whose meaning depends on the one before it, and on the program."""
    if USER_OPTION.fullmatch(before):
        return USER_AND_PASSWORD.sub(rf"\1{MASKED}", argument)
    if short_option and argument.startswith(short_option) and argument != short_option:
        return f"{short_option}{MASKED}"
    visible = INVISIBLE.sub("", argument)
    masked = _argument(_mask_named(PAIR, visible))
    return argument if masked == visible else masked


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
            return text if masked == value else encode_json(masked)
        except (ValueError, RecursionError):
            pass  # not JSON after all
    visible = INVISIBLE.sub("", text)
    masked = mask_shapes(visible)
    for pattern in (PAIR, *NAMED):
        masked = _mask_named(pattern, masked)
    masked = ELEMENT.sub(_element, masked)
    return text if masked == visible else masked


def encode_json(value: Any, indent: int | None = None) -> str:
    """Return JSON that a file can hold: half a character, which UTF-8 cannot express, stays an escape."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return json.dumps(value, indent=indent) if SURROGATE.search(text) else text


def _element(found: re.Match[str]) -> str:
    return found[1] + MASKED if is_secret_name(found["name"]) else found[0]


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
    pair = _is_pair_with_secret(value)
    return {
        mask_secrets(key): _hidden(each, numbers=numbers, depth=depth - 1)
        if is_secret_name(key) or (pair and key.lower() == "value")
        else mask_values(each, numbers=numbers, depth=depth - 1)
        for key, each in value.items()
    }


def _is_pair_with_secret(value: dict[str, Any]) -> bool:
    """Return whether an object is name and value of a secret: `{"name": "password", "value": "x"}`."""
    names = (each for key, each in value.items() if key.lower() in {"name", "key"})
    return any(isinstance(each, str) and is_secret_name(each) for each in names)


def _masked_list(values: list[Any], *, numbers: bool, depth: int) -> list[Any]:
    """Mask the items of a list; one of strings may be a command line."""
    if all(isinstance(each, str) for each in values):
        return mask_arguments(values)
    return [mask_values(each, numbers=numbers, depth=depth) for each in values]


def _hidden(value: Any, *, numbers: bool, depth: int) -> Any:
    """Return the replacement for a value under a secret name."""
    if isinstance(value, str):
        return _hidden_text(value)
    if isinstance(value, (dict, list)) and depth <= 0:
        return MASKED
    if isinstance(value, dict):
        return {key: _hidden(each, numbers=numbers, depth=depth - 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_hidden(each, numbers=numbers, depth=depth - 1) for each in value]
    if isinstance(value, bool) or value is None:
        return value
    return MASKED if numbers else value


def _hidden_text(value: str) -> str:
    return MASKED if value and not NO_SECRET.fullmatch(value) else value


def _argument(text: str, nested: int = NESTED_ARGUMENTS) -> str:
    named = NAMED_ARGUMENT.fullmatch(text) if nested else None
    if named is None:
        return mask_secrets(text)
    # An option with a value is not a flag: `--no-token=abc`.
    if is_secret_name(re.sub(r"^no[-_]", "", named["name"])):
        hidden = _hidden_text(named["value"])
        return text if hidden == named["value"] else named["head"] + hidden
    if USER_OPTION.fullmatch(named["head"][:-1]):
        return named["head"] + USER_AND_PASSWORD.sub(rf"\1{MASKED}", named["value"])
    # The value is an argument of its own: --env=PGPASSWORD=X, --config={"api_key": "X"}.
    return named["head"] + _argument(named["value"], nested - 1)


def _mask_named(pattern: re.Pattern[str], text: str) -> str:
    """Mask the values after all secret names that the pattern finds."""
    parts, done, place = [], 0, 0
    while found := pattern.search(text, place):
        if not is_secret_name(found["name"]):
            place = found.end("name")  # what follows may be a name too: `x: password = "abc"`
            continue
        place = found.end()
        value = value_at(text, place, found.end("name"))
        if value is None or not value.text or NO_SECRET.fullmatch(value.text):
            continue
        parts.append(f"{text[done:place]}{value.before}{MASKED}{value.after}")
        done = place = value.end
    return "".join(parts) + text[done:]
