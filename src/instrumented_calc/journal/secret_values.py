"""Find where the value after a name ends: with its quotes, its brackets, its block of YAML, or at a space."""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST = 2000  # characters within brackets
# In quotes, in escaped or tripled quotes; the same quote twice is one within; an unterminated quote extends
# to the end. `"abc" + "def"` is one value.
_QUOTED = re.compile(
    r"""(?P<prefix>[rbufRBUF]{1,2}|\$)?(?:(?P<quote>\"{3}|'{3}|\\?["'])(?P<text>.*?)(?P<end>(?<!\\)(?P=quote)|\Z)"""
    r"""(?P<more>(?:(?P=quote)(?!["']).*?(?<!\\)(?P=quote)|\s{0,8}\+\s{0,8}(?:"[^"]*"|'[^']*'))*))""",
    re.DOTALL,
)
# `('user', 'abc')`, `[abc, def]`, `{value: abc}`, `str('abc')`, `$(echo abc)`; nested once.
_BRACKETS = re.compile(
    rf"[\w.$]{{0,60}}[(\[{{](?:[^()\[\]{{}}]|[(\[{{][^()\[\]{{}}]{{0,{LONGEST}}}[)\]}}]){{0,{LONGEST}}}[)\]}}]"
    r"(?![\w.*-])"
)
# Up to a space; `ab"cd"` and `ab\ cd` are one word of a shell.
_WORD = re.compile(
    r"""(?!(?:Bearer|Basic|Digest|Token)\s)"""
    r"""(?:(?:\\\s|[^\s&"']){0,200}(?P<quote>["'])\w[^\s"']*(?P=quote)"""
    r"""|`[^`\n]*`|(?:\\[ ]|[^\s&"'])*[^\s&"',;:)\]}.])"""
)
# `!tag value`, `&anchor value`
_TAGGED = re.compile(r"[!&][\w!/-]{1,60} {1,8}(?=\S)")
_BLOCK_HEAD = re.compile(r"[|>][-+0-9]{0,2}[ \t]*\n(?P<indent>[ \t]+)")
_ITEM = re.compile(r"-[ \t][^\n]*(?:\n[ \t]*-[ \t][^\n]*)*")


class Value(NamedTuple):
    """A value in a text.

    Attributes:
        text: What it says.
        before: Quote before it; empty without one.
        after: Quote after it.
        end: Where it ends.
    """

    text: str
    before: str
    after: str
    end: int


def value_at(text: str, place: int, name_end: int) -> Value | None:
    """Return the value at a place; None if there is none.

    Args:
        text: The text.
        place: Where the value begins.
        name_end: Where its name ends: a line end between the two begins a block of YAML.
    """
    if tag := _TAGGED.match(text, place):
        place = tag.end()
    if quoted := _QUOTED.match(text, place):
        quote = quoted["quote"]
        return Value(quoted["text"], (quoted["prefix"] or "") + quote, quoted["end"], quoted.end())
    if head := _BLOCK_HEAD.match(text, place):
        return _block(text, place, head.end(), head["indent"])
    for pattern in (_BRACKETS, _ITEM):
        if found := pattern.match(text, place):
            return Value(found[0], "", "", found.end())
    line = text.rfind("\n", name_end, place) + 1
    if line and place > line and not text[line:place].strip(" "):
        return _block(text, place, place, text[line:place])
    word = _WORD.match(text, place)
    return None if word is None else Value(word[0], "", "", word.end())


def _block(text: str, begin: int, place: int, indent: str) -> Value:
    """Return the line at a place and the lines after it that have its indent."""
    following = re.compile(rf"[^\n]*(?:\n(?:{indent}[^\n]*|[ \t]*(?=\n)))*")
    found = following.match(text, place)
    end = place if found is None else found.end()
    return Value(text[begin:end], "", "", end)
