"""`instrumented-calc try`: try remedies on a script, and measure what helps."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from instrumented_calc.cli.formats import Form
from instrumented_calc.cli.options import seconds_of
from instrumented_calc.cli.wanted_page import HtmlOption, MaskOption, wanted_page
from instrumented_calc.errors import TargetError
from instrumented_calc.quantities import duration

# Everything after the script name belongs to the script.
COMMAND_OPTIONS = {"context_settings": {"allow_interspersed_args": False, "ignore_unknown_options": True}}
FEWEST_CALLS = 5


def try_(
    script: Annotated[
        list[str] | None, typer.Argument(help="The script and its own arguments; or give --calc.")
    ] = None,
    is_module: Annotated[bool, typer.Option("-m", help="Run a module, as `python -m` does.")] = False,
    calc: Annotated[
        str, typer.Option(help="Instead of a script: NVE dynamics with a calculator, as for `profile`.")
    ] = "",
    system: Annotated[str, typer.Option(help="System of the dynamics, as for `profile`.")] = "copper",
    n_atoms: Annotated[int, typer.Option(min=1, help="Number of atoms of the dynamics.")] = 64,
    calls: Annotated[
        int | None,
        typer.Option(min=FEWEST_CALLS, help="Force calls of each run. Default: what takes three seconds."),
    ] = None,
    budget: Annotated[
        str, typer.Option(metavar="10m", help="Time after which no round of runs is started: 90s, 10m, 2h.")
    ] = "10m",
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Try only this remedy.")] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the runs; a number is added if it exists.")
    ] = Path("try"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the order of runs, and of the dynamics.")] = 0,
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.text,
    html: HtmlOption = None,
    mask: MaskOption = False,
) -> None:
    """Run a script as it is and with remedies, and measure which make it faster with equal values.

    The script runs unchanged in copies of the working directory, in fresh processes, and is ended after some
    force calls. Energies and forces come first: a remedy that changes them is out, however fast.
    """
    from instrumented_calc.experiments.gate.gate import new_folder
    from instrumented_calc.experiments.trial.task import TriedProgram
    from instrumented_calc.experiments.trial.trial import TrialSettings, run_trial
    from instrumented_calc.reporting.trial import build_trial, render_trial_json

    words = _words(script or [], is_module=is_module)
    if bool(words) == bool(calc):
        message = "give a script or --calc: instrumented-calc try script.py"
        raise TargetError(message)
    page = wanted_page(html, mask=mask)
    program = TriedProgram(tuple(words), is_module, calc, system, n_atoms, seed)
    settings = TrialSettings(
        program=program,
        output=new_folder(output),
        budget_s=seconds_of(budget),
        calls=calls,
        only=tuple(only or ()),
        seed=seed,
    )
    result = run_trial(settings, _show_run)
    if page is not None:
        from instrumented_calc.reporting.html.result_pages import trial_page

        page.write(trial_page(result), sorted(settings.output.rglob("*.jsonl")))
    elif form is Form.json:
        typer.echo(render_trial_json(result), nl=False)
    else:
        from instrumented_calc.cli.renderers import DOCUMENTS

        typer.echo(DOCUMENTS[form](build_trial(result)), nl=False)
    typer.echo(f"the output of all runs is in {settings.output}", err=True)


def _words(words: list[str], *, is_module: bool) -> list[str]:
    """Check the script, and make its path one that is valid in copies of the working directory."""
    if not words or is_module:
        return words
    from instrumented_calc.cli.script import check_program

    check_program(words[0])
    path = Path(words[0]).absolute()
    here = Path.cwd()
    name = os.fspath(path.relative_to(here) if path.is_relative_to(here) else path)
    return [name, *words[1:]]


def _show_run(name: str, per_call_ns: float) -> None:
    typer.echo(f"[run] {duration(per_call_ns):>9} per call  {name}", err=True)
