"""The page that a command writes on request: `--html` and `--mask`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instrumented_calc.cli.written_files import check_file, write_file
from instrumented_calc.errors import JournalReadError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from instrumented_calc.journal.records import RunStart
    from instrumented_calc.reporting.html.result_page import ResultPage

HtmlOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="R.HTML", help="Write a page with plots, one file that loads nothing."),
]
MaskOption = Annotated[bool, typer.Option("--mask", help="Hide users, hosts and folders in the page.")]


@dataclass(frozen=True, slots=True)
class WantedPage:
    """A page that is wanted.

    Attributes:
        file: The file to write.
        mask: Whether to hide users, hosts and folders.
    """

    file: Path
    mask: bool

    def write(self, result: ResultPage, journals: Iterable[Path]) -> None:
        """Write the page of a result.

        Args:
            result: What it shows.
            journals: The journals behind it; what their first records tell of users and hosts is hidden.

        Raises:
            JournalReadError: The file cannot be written.
        """
        from instrumented_calc.reporting.html.masking import Mask
        from instrumented_calc.reporting.html.result_page import render_result

        hide = Mask((path, _start_of(path)) for path in journals) if self.mask else None
        write_file(self.file, render_result(result, hide), "--html")


def wanted_page(
    html: Path | None, *, mask: bool, journals: Sequence[Path] = (), folder: Path | None = None
) -> WantedPage | None:
    """Check the options of a page before any work.

    Args:
        html: The file to write; None: no page.
        mask: Whether to hide users, hosts and folders.
        journals: Journals that are read, which it must not replace.
        folder: A folder that the command creates if it does not exist.

    Returns:
        The page, or None if none is wanted.

    Raises:
        JournalReadError: The file is refused.
        BadParameter: `--mask` is given without `--html`.
    """
    check_mask(html, mask=mask)
    if html is None:
        return None
    check_file(html, "--html", journals, folder)
    return WantedPage(html, mask)


def check_mask(html: Path | None, *, mask: bool) -> None:
    """Refuse `--mask` where no page is written.

    Raises:
        BadParameter: It is refused.
    """
    if mask and html is None:
        message = "hides names in a page only; add --html r.html"
        raise typer.BadParameter(message, param_hint="--mask")


def _start_of(path: Path) -> RunStart | None:
    """Return the first record of a journal; None if it is lost, or if the file is a result in JSON."""
    from instrumented_calc.journal.run_start import first_start

    try:
        return first_start(path)
    except JournalReadError:
        return None
