"""Write the folder with the submit files of a sweep."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.sweep.calculator_files import check_files, files_of
from instrumented_calc.experiments.sweep.cell import safe_name
from instrumented_calc.experiments.sweep.manifest import write_manifest
from instrumented_calc.plain_text import shown_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.experiments.sweep.manifest import SweepManifest
    from instrumented_calc.experiments.sweep.submit.batch_job import BatchJob

MANIFEST, KEYS, WHEELS = "manifest.json", "keys.txt", "wheels"
# A file of a calculator travels under its own name.
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
RESERVED = frozenset({MANIFEST, KEYS, WHEELS, "cell.sh", "cell.jsonl", "sweep.sub", "results", "env"})


def emit_slurm(manifest: SweepManifest, keys: Sequence[str], folder: Path, job: BatchJob) -> list[str]:
    """Write array jobs for Slurm, whose nodes share the folder.

    Args:
        manifest: The sweep.
        keys: The cells to run, at least one.
        folder: The folder, which must not exist.
        job: Resources and software.

    Returns:
        The commands to submit them, to be given in that folder.

    Raises:
        ExperimentError: An option or a name cannot be used, or the folder exists or cannot be written.
    """
    job.check()
    keys = _in_random_order(keys)
    files = _files_of_calculators(manifest, keys)
    texts = {}
    for number, first in enumerate(range(0, len(keys), job.array_size), 1):
        cells = min(job.array_size, len(keys) - first)
        shown = _shown(manifest, keys, job) | {"cells": cells, "passed": first}
        texts[f"sweep-{number}.sbatch"] = _rendered("slurm.sbatch", shown)
    _write(folder, manifest, keys, texts, ("logs", "results"), files)
    return [f"sbatch {name}" for name in texts]


def emit_htcondor(
    manifest: SweepManifest, keys: Sequence[str], folder: Path, job: BatchJob, wheels: Path | None = None
) -> list[str]:
    """Write a submit file for HTCondor, whose nodes share nothing with the submit node.

    Args:
        manifest: The sweep.
        keys: The cells to run, at least one.
        folder: The folder, which must not exist.
        job: Resources and software.
        wheels: Folder of wheels, from which each job makes an environment; None: its `python` has this
            package already.

    Returns:
        The commands to submit it, to be given in that folder.

    Raises:
        ExperimentError: An option or a name cannot be used, or the folder exists or cannot be written.
    """
    job.check()
    keys = _in_random_order(keys)
    files = _files_of_calculators(manifest, keys)
    if wheels is not None and not any(wheels.glob("*.whl")):
        message = f"{shown_path(wheels)}: no wheels; fill it with: pip download -d {WHEELS} instrumented-calc"
        raise ExperimentError(message)
    inputs = [MANIFEST, *(each.name for each in files), *([WHEELS] if wheels is not None else [])]
    shown = _shown(manifest, keys, job) | {"inputs": ", ".join(inputs), "wheels": wheels is not None}
    texts = {"sweep.sub": _rendered("htcondor.sub", shown), "cell.sh": _rendered("cell.sh", shown)}
    _write(folder, manifest, keys, texts, ("logs", "returned"), files, wheels)
    return ["condor_submit sweep.sub"]


def _in_random_order(keys: Sequence[str]) -> list[str]:
    """Return the keys in an order in which replicates are spread over time and nodes, the same each time."""
    shuffled = sorted(keys)
    random.Random(0).shuffle(shuffled)  # noqa: S311 - an order, not a secret
    return shuffled


def _shown(manifest: SweepManifest, keys: Sequence[str], job: BatchJob) -> dict[str, object]:
    # What was read from a file may be anything.
    return {
        "name": safe_name(manifest.name),
        "threads": max(manifest.cells[key].threads for key in keys),
        "job": job,
    }


def _files_of_calculators(manifest: SweepManifest, keys: Sequence[str]) -> list[Path]:
    """Return the files that calculators are made from: `calc.py:make`, `mace:small.model`.

    Raises:
        ExperimentError: One is in another folder, is not here or not the one that was planned with, or has a
            name that is not safe.
    """
    found: dict[str, Path] = {}
    cells = [manifest.cells[key] for key in keys]
    for calc, planned in dict.fromkeys((cell.calc, cell.calc_files) for cell in cells):
        _check_here(calc, planned)
        for word in files_of(calc):
            if not FILE_NAME.fullmatch(word) or word in RESERVED:
                message = (
                    f"{calc!r}: the file {word!r} cannot travel with a job; put it in this folder, with"
                    " letters, digits, dots and dashes in its name"
                )
                raise ExperimentError(message)
            found[word] = Path(word)
    return [*found.values()]


def _check_here(calc: str, planned: str) -> None:
    """Check that a calculator's file is here, with the content that its cells were planned with.

    An absolute path may be one of the nodes, or of the image.
    """
    check_files(calc, planned)
    first, _, _ = calc.partition(":")
    needs_file = planned or (first.endswith(".py") and not first.startswith("/"))
    if needs_file and not files_of(calc):
        message = f"calculator {calc!r}: its file is not here; give the command in the folder of the file"
        raise ExperimentError(message)


def _rendered(template: str, shown: dict[str, object]) -> str:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=False,  # noqa: S701 - shell, not markup: all that is filled in is a checked word
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return made.get_template(f"{template}.jinja").render(shown)


def _write(  # noqa: PLR0913, PLR0917 - what is in the folder
    folder: Path,
    manifest: SweepManifest,
    keys: Sequence[str],
    texts: dict[str, str],
    folders: Sequence[str],
    files: Sequence[Path],
    wheels: Path | None = None,
) -> None:
    try:
        folder.mkdir(parents=True)
        for name in folders:
            (folder / name).mkdir()
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
            if text.startswith("#!"):
                (folder / name).chmod(0o755)
        for path in files:
            shutil.copyfile(path, folder / path.name)
        if wheels is not None:
            shutil.copytree(wheels, folder / WHEELS)
        (folder / KEYS).write_text("".join(f"{key}\n" for key in keys), encoding="utf-8")
    except FileExistsError as error:
        message = f"{shown_path(folder)} exists and is not overwritten; give another --output"
        raise ExperimentError(message) from error
    except OSError as error:
        message = f"cannot write {shown_path(folder)}: {error.strerror}; give another --output"
        raise ExperimentError(message) from error
    write_manifest(manifest, folder / MANIFEST)
