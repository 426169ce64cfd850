"""`instrumented-calc sweep emit`: plain submit files for Slurm and HTCondor."""

from __future__ import annotations

import shlex
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from instrumented_calc.plain_text import printable, shown_path


class BatchSystem(str, Enum):
    """For which submit files are written."""

    slurm = "slurm"
    htcondor = "htcondor"


def emit(
    system: Annotated[BatchSystem, typer.Argument(help="The batch system.")],
    manifest: Annotated[Path, typer.Argument(metavar="SWEEP.JSON", help="Manifest that `sweep plan` wrote.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="New folder; default: SWEEP-slurm or SWEEP-htcondor."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(help="Folder of results: cells that are done there are left out. Default: SWEEP."),
    ] = None,
    python: Annotated[
        str, typer.Option(help="A Python with this package, on the nodes or in the image.")
    ] = "python3",
    container: Annotated[str, typer.Option(metavar="IMAGE", help="Container image that cells run in.")] = "",
    wheels: Annotated[
        Path | None,
        typer.Option(help="HTCondor: folder of wheels, from which each job makes its environment."),
    ] = None,
    memory: Annotated[str, typer.Option(help="Memory of a cell, such as 500MB or 4GB.")] = "2GB",
    walltime: Annotated[str, typer.Option(help="Time limit of a cell, as HH:MM:SS.")] = "01:00:00",
    gpus: Annotated[int, typer.Option(help="GPUs of a cell.")] = 0,
    at_most: Annotated[int, typer.Option(help="Cells at the same time; 0: no limit.")] = 0,
    array_size: Annotated[int, typer.Option(help="Slurm: most cells in one array job.")] = 1000,
) -> None:
    """Write submit files for the cells that are not done; submitting them is left to you."""
    from instrumented_calc.experiments.sweep.manifest import read_manifest
    from instrumented_calc.experiments.sweep.results import ResultFolder
    from instrumented_calc.experiments.sweep.status import status_of
    from instrumented_calc.experiments.sweep.submit.batch_job import BatchJob
    from instrumented_calc.experiments.sweep.submit.emit import emit_htcondor, emit_slurm
    from instrumented_calc.quantities import plural

    if wheels is not None and (system is BatchSystem.slurm or container):
        message = "wheels are for HTCondor without a container; leave it out, or give --python"
        raise typer.BadParameter(message, param_hint="--wheels")
    found = read_manifest(manifest)
    missing = [
        each.key for each in status_of(found, ResultFolder(results or manifest.with_suffix(""))).missing
    ]
    if not missing:
        typer.echo(f"all {plural(len(found.cells), 'cell')} are done; no files written")
        return
    folder = output or manifest.with_name(f"{manifest.stem}-{system.value}")
    job = BatchJob(python, container, memory, walltime, gpus, at_most, array_size)
    if system is BatchSystem.slurm:
        commands = emit_slurm(found, missing, folder, job)
    else:
        commands = emit_htcondor(found, missing, folder, job, wheels)
    typer.echo(f"{len(missing)} of {plural(len(found.cells), 'cell')} in {shown_path(folder)}; submit with:")
    typer.echo(f"  cd {printable(shlex.quote(str(folder)))}")
    for command in commands:
        typer.echo(f"  {command}")
    then = ["instrumented-calc", "sweep", "gather", str(manifest), str(folder)]
    if results is not None:
        then += ["--output", str(results)]
    typer.echo(f"then: {printable(shlex.join(then))}")
