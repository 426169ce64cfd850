"""The result of an ingest as a document, and as JSON for machines."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from instrumented_calc.plain_text import plain_json
from instrumented_calc.quantities import bytes_of, count, figures, plural
from instrumented_calc.reporting.document import Document, Facts, Paragraph, Section, Table
from instrumented_calc.reporting.run.identity import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from instrumented_calc.analysis.observation import Observation
    from instrumented_calc.intake.checks.conclusions import ModeRatio
    from instrumented_calc.intake.ingest import Ingested

SCHEMA = "instrumented-calc-intake/1"
NAMED = 20
ORDER = ("flagged", "not enough evidence", "clear")


def build_intake(found: Ingested) -> Document:
    """Return the document: supported and unsupported conclusions, and the checks."""
    bundles = plural(
        len({origin.bundle for each in found.placed for origin in each.content.origins}), "bundle"
    )
    title = f"Intake of {bundles}: {plural(len(found.placed), 'file')} in {one_line(found.output)}"
    sections = (
        _lines("Supported by the data", found.supported or ["nothing: see the failed checks"]),
        _lines("Not supported by the data", found.not_supported),
        _checks(found.checks),
        _ratios(found.ratios),
        _files(found),
        _lines("Refused", [_refusal(each.bundle, each.member, each.reason) for each in found.refusals]),
        _lines("Notes", found.notes),
        _lines("Written", found.tables),
    )
    return Document(title, tuple(each for each in sections if each is not None))


def _lines(title: str, lines: Iterable[str]) -> Section | None:
    shown = [one_line(line) for line in lines]
    if not shown:
        return None
    more = [f"and {count(len(shown) - NAMED)} more"] if len(shown) > NAMED else []
    return Section(title, (Paragraph((*shown[:NAMED], *more)),))


def _refusal(bundle: str, member: str, reason: str) -> str:
    return f"{bundle}, {member}: {reason}" if member else f"{bundle}: {reason}"


def _checks(checks: Sequence[Observation]) -> Section:
    blocks: list[Paragraph | Facts] = []
    for verdict in ORDER:
        ours = [each for each in checks if each.verdict == verdict]
        if not ours:
            continue
        blocks.append(Paragraph((f"{verdict.upper() if verdict == 'flagged' else verdict} ({len(ours)})",)))
        blocks.append(Facts(tuple((each.rule, _text(each)) for each in ours)))
    return Section("Checks", tuple(blocks))


def _text(check: Observation) -> str:
    text = one_line(check.text)
    return f"{text}. To do: {one_line(check.remedy)}" if check.flagged and check.remedy else text


def _ratios(ratios: Sequence[ModeRatio]) -> Section | None:
    if not ratios:
        return None
    rows = tuple(
        (
            one_line(f"{each.system} {each.mode} {each.tag}"),
            one_line(each.baseline),
            figures(each.value),
            "one run: none" if each.low is None else f"[{figures(each.low)}, {figures(each.high or 0)}]",
            f"{each.runs[0]} and {each.runs[1]}",
            one_line(each.table),
        )
        for each in ratios
    )
    headings = ("system and label", "baseline", "times as long", "95 % interval", "runs", "table")
    remark = Paragraph(("Labels are those of the study; see the checks for whether they are verified.",))
    return Section("Modes compared with their baselines", (remark, Table(headings, rows)))


def _files(found: Ingested) -> Section | None:
    if not found.placed:
        return None
    kinds = Counter(each.kind.value for each in found.placed)
    sizes: Counter[str] = Counter()
    for each in found.placed:
        sizes[each.kind.value] += each.content.size_bytes
    pairs = [(kind, f"{count(number)}, {bytes_of(sizes[kind])}") for kind, number in sorted(kinds.items())]
    twice = sum(len(each.content.origins) - 1 for each in found.placed)
    if twice:
        pairs.append(("found more than once", plural(twice, "copy").replace("copys", "copies")))
    archives = [(f"sha256 of {one_line(name)}", digest) for name, digest in found.bundles.items()]
    return Section("Files", (Facts((*pairs, *archives)),))


def render_intake_json(found: Ingested) -> str:
    """Return the result as one JSON object, indented, ending with a newline."""
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "output": str(found.output),
        "bundles": found.bundles,
        "supported": found.supported,
        "not_supported": found.not_supported,
        "checks": [
            {"rule": each.rule, "verdict": each.verdict, "said": each.text, "remedy": each.remedy or ""}
            for each in found.checks
        ],
        "ratios": [{**asdict(each), "clear": each.clear} for each in found.ratios],
        "files": [
            {
                "path": each.path,
                "kind": each.kind.value,
                "sha256": each.content.sha256,
                "size_bytes": each.content.size_bytes,
                "origins": [asdict(origin) for origin in each.content.origins],
            }
            for each in found.placed
        ],
        "refused": [asdict(each) for each in found.refusals],
        "notes": found.notes,
        "tables": found.tables,
    }
    return plain_json(document) + "\n"
