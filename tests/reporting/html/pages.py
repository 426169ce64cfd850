"""Read a page as a browser would, without its script."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "rect", "input", "br"}


class Page(HTMLParser):
    """What a page consists of.

    Attributes:
        tags: Names of all elements.
        attributes: All attributes: element, name, value.
        texts: Texts by the element around them.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: dict[str, list[str]] = {}
        self._within = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._within = tag

    def handle_endtag(self, tag):
        self._within = ""

    def handle_data(self, data):
        self.texts.setdefault(self._within, []).append(data)

    def values(self, name: str) -> list[str]:
        """Return the values of an attribute, of all elements that have it."""
        return [value for _, found, value in self.attributes if found == name]

    @property
    def words(self) -> str:
        """All that is shown without the script, on one line."""
        shown = [
            text for tag, texts in self.texts.items() if tag not in {"style", "script"} for text in texts
        ]
        return " ".join(" ".join(shown).split())
