"""From bundles of earlier studies to sorted results, tables, and supported and unsupported conclusions."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.analysis.experiment_checks import is_time
from instrumented_calc.errors import IntakeError
from instrumented_calc.intake.archives.kinds import MemberKind, recognize
from instrumented_calc.intake.archives.layout import Placed, Results
from instrumented_calc.intake.archives.output_folder import write_ours
from instrumented_calc.intake.archives.staging import Refusal, Staged, stage
from instrumented_calc.intake.checks.catalogue import validate
from instrumented_calc.intake.checks.conclusions import ModeRatio, not_supported, ratios, supported
from instrumented_calc.intake.checks.mlff_distiller import profile_row
from instrumented_calc.intake.outgoing.safe_csv import as_csv
from instrumented_calc.intake.reading.journal_table import journal_row
from instrumented_calc.intake.reading.reader import read_all
from instrumented_calc.intake.reading.study_data import StudyData
from instrumented_calc.intake.reading.summary_table import sum_up
from instrumented_calc.journal.black_box_files import run_id_of
from instrumented_calc.journal.newest_calls import numbered_box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.observation import Observation
    from instrumented_calc.intake.archives.limits import Limits

# Our own tables are kept apart from the study's files.
OURS = "ingested"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle, and the origin of its logs: `chtc`, `local`, or empty."""

    path: Path
    site: str = ""


@dataclass(slots=True)
class Ingested:
    """Result of an ingest.

    Attributes:
        output: The results folder.
        bundles: SHA-256 of each archive, by name.
        placed: Every content in its place.
        refusals: Refused members.
        notes: Content that could not be read.
        evidence: Content that could be read.
        hotspots: Functions of marshalled profiles.
        checks: Results of all checks.
        ratios: Modes compared with their baselines.
        supported: Supported conclusions.
        not_supported: Unsupported conclusions.
        tables: Tables that we wrote, relative to the output.
    """

    output: Path
    bundles: dict[str, str] = field(default_factory=dict)
    placed: list[Placed] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    evidence: StudyData = field(default_factory=StudyData)
    hotspots: list[dict[str, Any]] = field(default_factory=list)
    checks: list[Observation] = field(default_factory=list)
    ratios: list[ModeRatio] = field(default_factory=list)
    supported: list[str] = field(default_factory=list)
    not_supported: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)


def ingest(
    bundles: Sequence[Bundle], output: Path, *, marshalled: bool = False, limits: Limits | None = None
) -> Ingested:
    """Ingest bundles.

    Args:
        bundles: Archives, folders or single files.
        output: The results folder; existing files are not overwritten, except for our own tables.
        marshalled: Whether to load `.prof` files.
        limits: Limits on the output of a bundle.

    Raises:
        IntakeError: If a bundle cannot be read or the results cannot be written.
    """
    found, staged = Ingested(output), Staged()
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output, prefix=".incoming-") as incoming:
            for bundle in bundles:
                stage(
                    bundle.path,
                    Path(incoming),
                    staged,
                    site=bundle.site,
                    limits=limits,
                    leave_out=output,
                )
            _place_all(staged, found)
        read = read_all(found.placed, marshalled=marshalled)
        found.evidence, found.hotspots, found.notes = read.evidence, read.hotspots, read.notes
        _judge(found)
        _write_tables(found)
    except OSError as error:
        message = f"{output}: {error.strerror or error}; give another --output"
        raise IntakeError(message) from error
    return found


def _place_all(staged: Staged, found: Ingested) -> None:
    found.bundles, found.refusals = staged.bundles, staged.refusals
    results = Results(found.output)
    kinds = [(content, recognize(content)[0]) for content in staged.contents.values()]
    found.placed = [results.place(each, kind) for each, kind in kinds if kind is not MemberKind.black_box]
    journals = {
        run_id_of(each.content.path): Path(each.path)
        for each in found.placed
        if each.kind is MemberKind.journal
    }
    boxes: Counter[str] = Counter()
    for content in (each for each, kind in kinds if kind is MemberKind.black_box):
        run_id = run_id_of(content.path)
        boxes[run_id] += 1
        # A reader of the journal finds its black box by name, and the journal may have got another one.
        name = numbered_box(journals[run_id], boxes[run_id]).name if run_id in journals else ""
        found.placed.append(results.place(content, MemberKind.black_box, name))


def _judge(found: Ingested) -> None:
    evidence = found.evidence
    found.checks = validate(evidence)
    found.ratios = ratios(evidence)
    found.supported = supported(evidence, found.ratios, found.checks)
    found.not_supported = not_supported(evidence, found.ratios, found.checks)


def _write_tables(found: Ingested) -> None:
    evidence = found.evidence
    timed = [each for each in evidence.measurements if is_time(each.wall_s)]
    rows: dict[str, list[dict[str, Any]]] = {
        "timings.csv": [asdict(each) for each in evidence.measurements],
        "summary.csv": sum_up(timed),
        "journals.csv": [journal_row(name, each) for name, each in evidence.journals.items()],
        "profiles.csv": [profile_row(name, each) for name, each in evidence.profiles.items()],
        "hotspots.csv": found.hotspots,
        "provenance.csv": _provenance(found),
    }
    for name, table in rows.items():
        if table:
            write_ours(found.output, f"{OURS}/{name}", as_csv(table))
            found.tables.append(f"{OURS}/{name}")


def _provenance(found: Ingested) -> list[dict[str, Any]]:
    return [
        {
            "stored": placed.path,
            "kind": placed.kind.value,
            "sha256": placed.content.sha256,
            "size_bytes": placed.content.size_bytes,
            "bundle": origin.bundle,
            "bundle_sha256": found.bundles.get(origin.bundle),
            "member": origin.member,
            "site": origin.site,
        }
        for placed in found.placed
        for origin in placed.content.origins
    ]
