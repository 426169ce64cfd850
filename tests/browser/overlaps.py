"""Texts that overlap each other, or that are cut off."""

from __future__ import annotations

from itertools import combinations

# Texts of a drawing with their places, without those that are hidden.
TEXTS = """
return [...document.querySelectorAll("svg.chart, svg.tree")].map((chart) =>
  [...chart.querySelectorAll("text")].filter(
    (text) => text.textContent && text.checkVisibility({visibilityProperty: true})
  ).map((text) => {
    const box = text.getBoundingClientRect();
    return [text.textContent, box.left, box.top, box.right, box.bottom];
  }));
"""
ACROSS, DOWN = 2, 3  # pixels; boxes of texts are larger than what is seen of them


CUT = """
const texts = [...document.querySelectorAll("svg.chart text")].filter((text) => {
  const around = text.closest("div, td").getBoundingClientRect(), box = text.getBoundingClientRect();
  return box.left < around.left - 1 || box.right > around.right + 1;
});
const figures = [...document.querySelectorAll("ul.figures li")];
const full = figures.filter((each) => each.scrollWidth > each.clientWidth);
return [...texts, ...full].map((each) => each.textContent);
"""


def cut_off(browser) -> list[str]:
    """Return the texts of drawings and the main figures that have too little room."""
    return browser.js(CUT)


def overlapping(browser) -> list[tuple[str, str]]:
    """Return the texts of each drawing in the open page that overlap."""
    return [
        (one[0], other[0])
        for texts in browser.js(TEXTS)
        for one, other in combinations(texts, 2)
        if min(one[3], other[3]) - max(one[1], other[1]) > ACROSS
        and min(one[4], other[4]) - max(one[2], other[2]) > DOWN
    ]
