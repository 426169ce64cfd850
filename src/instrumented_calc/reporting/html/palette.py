"""Colours of the page, light and dark. A test computes that each pair that meets is easy to tell apart.

Colour is never the only carrier of a meaning: lines are dashed differently and labelled, states are words,
spans have a row of their own with its name.
"""

from __future__ import annotations

from typing import NamedTuple


class Theme(NamedTuple):
    """Colours by role.

    Attributes:
        surfaces: Backgrounds of the page, of panels and of headings of tables.
        text: Colours of text and lines, each on any of the surfaces.
        fills: Backgrounds of pieces of the flame graph and of badges, with the colour of the text in them.
    """

    surfaces: dict[str, str]
    text: dict[str, str]
    fills: dict[str, tuple[str, str]]


LIGHT = Theme(
    surfaces={"page": "#f6f7f8", "panel": "#ffffff", "raised": "#eef0f2"},
    text={
        "ink": "#16191d",
        "quiet": "#4d5661",
        "link": "#0b5394",
        "good": "#14603a",
        "warn": "#7d4600",
        "bad": "#a3152a",
        "s0": "#1b5e9e",
        "s1": "#a03c00",
        "s2": "#17683a",
        "s3": "#7a3a9c",
        "s4": "#00646e",
        "s5": "#8f1d53",
        "s6": "#5f5a00",
        "s7": "#505862",
        "s8": "#3e4fa8",
    },
    fills={
        "run": ("#e3e6e9", "#16191d"),
        "calculator": ("#bcd6ee", "#10273d"),
        "component": ("#d3e4f3", "#10273d"),
        "outside": ("#cde5d2", "#12301b"),
        "observers": ("#f5d9c2", "#3d1f05"),
        "profiler": ("#dcdfe3", "#16191d"),
        "place": ("#f1ecd4", "#302a08"),
        "line": ("#f8f5e6", "#302a08"),
        "badge-good": ("#14603a", "#ffffff"),
        "badge-warn": ("#7d4600", "#ffffff"),
        "badge-bad": ("#a3152a", "#ffffff"),
        "badge-quiet": ("#4d5661", "#ffffff"),
    },
)
DARK = Theme(
    surfaces={"page": "#0f1215", "panel": "#171b20", "raised": "#20262c"},
    text={
        "ink": "#e8ebee",
        "quiet": "#a9b3bd",
        "link": "#84bdf2",
        "good": "#7fd19d",
        "warn": "#eab36b",
        "bad": "#ff9a9f",
        "s0": "#7fb8ee",
        "s1": "#f0a36c",
        "s2": "#7dcb93",
        "s3": "#cfa2ea",
        "s4": "#67cbd3",
        "s5": "#f196bf",
        "s6": "#d6cb62",
        "s7": "#b3bcc6",
        "s8": "#a9b4f5",
    },
    fills={
        "run": ("#2b323a", "#e8ebee"),
        "calculator": ("#1f4a70", "#eaf3fb"),
        "component": ("#2a3f55", "#eaf3fb"),
        "outside": ("#234a31", "#e6f5ea"),
        "observers": ("#5c3a1e", "#fdeee2"),
        "profiler": ("#363d45", "#e8ebee"),
        "place": ("#46401f", "#f6f1d8"),
        "line": ("#38341d", "#f6f1d8"),
        "badge-good": ("#7fd19d", "#0b1d12"),
        "badge-warn": ("#eab36b", "#221402"),
        "badge-bad": ("#ff9a9f", "#2a0508"),
        "badge-quiet": ("#a9b3bd", "#0f1215"),
    },
)
SERIES = tuple(name for name in LIGHT.text if name[0] == "s" and name[1:].isdigit())


def variables(theme: Theme) -> str:
    """Return the colours as declarations of CSS variables: `--ink:#16191d;...`."""
    pairs = [*theme.surfaces.items(), *theme.text.items()]
    for name, (fill, ink) in theme.fills.items():
        pairs += [(f"{name}-fill", fill), (f"{name}-ink", ink)]
    return "".join(f"--{name}:{colour};" for name, colour in pairs)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance in sRGB).

    Args:
        one: A colour, `#rrggbb`.
        other: Another one.
    """
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    # the transfer function of sRGB, IEC 61966-2-1
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4  # noqa: PLR2004
