"""Texts of drawings that overlap each other."""

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


def overlapping(browser) -> list[tuple[str, str]]:
    """Return the texts of each drawing in the open page that overlap."""
    return [
        (one[0], other[0])
        for texts in browser.js(TEXTS)
        for one, other in combinations(texts, 2)
        if min(one[3], other[3]) - max(one[1], other[1]) > ACROSS
        and min(one[4], other[4]) - max(one[2], other[2]) > DOWN
    ]
