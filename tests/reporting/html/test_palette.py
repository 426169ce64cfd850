"""Text and lines of the page are easy to read on every background, in both themes."""

from __future__ import annotations

import pytest

from instrumented_calc.reporting.html.palette import DARK, LIGHT, contrast

READABLE = 4.5  # WCAG 2.2, level AA, for text of any size
THEMES = {"light": LIGHT, "dark": DARK}


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#123456", "#123456") == 1


@pytest.mark.parametrize("theme", THEMES)
def test_text_and_lines_are_readable_on_each_surface(theme):
    colours = THEMES[theme]
    low = {
        (name, surface): round(contrast(colour, under), 2)
        for name, colour in colours.text.items()
        for surface, under in colours.surfaces.items()
        if contrast(colour, under) < READABLE
    }
    assert low == {}


@pytest.mark.parametrize("theme", THEMES)
def test_text_is_readable_in_each_piece_and_badge(theme):
    pairs = THEMES[theme].fills
    assert {name for name, pair in pairs.items() if contrast(*pair) < READABLE} == set()


def test_both_themes_have_the_same_colours():
    for one, other in zip(LIGHT, DARK, strict=True):
        assert one.keys() == other.keys()
