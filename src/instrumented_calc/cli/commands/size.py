"""`instrumented-calc size`: the time, memory and replicas of a wanted trajectory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instrumented_calc.cli.formats import Form
from instrumented_calc.cli.wanted_page import HtmlOption, MaskOption, wanted_page
from instrumented_calc.errors import JournalReadError

if TYPE_CHECKING:
    from instrumented_calc.analysis.summary import Summary

MANIFEST = "scale.json"
SHORTEST_NS, LONGEST_NS = 1e-6, 1e9


def size(
    n_atoms: Annotated[int, typer.Option(min=1, help="Number of atoms of the wanted trajectory.")],
    ns: Annotated[float, typer.Option("--ns", metavar="NS", help="Its simulated time, ns.")],
    folder: Annotated[
        Path, typer.Argument(metavar="SCALE", help="Folder of journals that `scale` wrote.")
    ] = Path("scale"),
    run: Annotated[
        Path | None,
        typer.Option(metavar="JOURNAL", help="A run of your own program, of any size, that sets the level."),
    ] = None,
    timestep: Annotated[
        float | None,
        typer.Option(metavar="FS", help="Time step, fs; as in the runs if not given."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.text,
    html: HtmlOption = None,
    mask: MaskOption = False,
) -> None:
    """Predict speed, time, memory and replicas of a trajectory, with the lines of its job script.

    The sizes that `scale` measured give the growth with the number of atoms. A run of your own program adds
    what `scale` does not have: your observers, your thermostat, your density of atoms.
    """
    from instrumented_calc.analysis.sizing.job_size import Trajectory, size_job
    from instrumented_calc.cli.renderers import DOCUMENTS
    from instrumented_calc.experiments.ranges import (
        LONGEST_STEP_FS,
        SHORTEST_STEP_FS,
        check_atoms,
        check_number,
    )
    from instrumented_calc.reporting.sizing import build_size, render_size_json

    check_atoms(n_atoms)
    check_number("ns", ns, SHORTEST_NS, LONGEST_NS)
    if timestep is not None:
        check_number("timestep", timestep, SHORTEST_STEP_FS, LONGEST_STEP_FS)
    journals = _journals(folder)
    all_journals = [*journals, *([] if run is None else [run])]
    page = wanted_page(html, mask=mask, journals=all_journals)
    own = None if run is None else _summary(run)
    job = size_job([_summary(path) for path in journals], Trajectory(n_atoms, ns, timestep), own)
    if page is not None:
        from instrumented_calc.reporting.html.result_pages import size_page

        page.write(size_page(job), all_journals)
        return
    text = render_size_json(job) if form is Form.json else DOCUMENTS[form](build_size(job))
    typer.echo(text, nl=False)


def _journals(folder: Path) -> list[Path]:
    """Return the journals of a folder of `scale`, which may be named by its file `scale.json`."""
    if folder.name == MANIFEST and folder.is_file():
        folder = folder.parent
    found = sorted(folder.glob("n*-r*.jsonl")) if folder.is_dir() else []
    found = [path for path in found if "." not in path.stem]  # without attempts that failed or were killed
    if not found:
        message = f"{folder}: no journals of `scale`; run instrumented-calc scale, or give its --output"
        raise JournalReadError(message)
    return found


def _summary(path: Path) -> Summary:
    from instrumented_calc.analysis.summary import summarize
    from instrumented_calc.journal.reader import read_journal

    return summarize(read_journal(path))
