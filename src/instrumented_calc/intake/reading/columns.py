"""Column names of studies for the same quantity, and how their cells are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from instrumented_calc.intake.reading.measurements import Measurement, Summarized

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = {
    "file": ("file", "xyz", "workload", "system"),
    "mode": ("mode", "backend"),
    "rep": ("rep", "replicate", "repetition"),
    "n_atoms": ("n", "n_atoms", "atoms"),
    "species": ("species", "species_unique", "n_species"),
    "wall_s": ("wall_s", "wall", "time_s", "wall_time", "elapsed", "elapsed_s"),
    "compute_s": ("compute_s",),
    "conv_in_s": ("conv_in_s",),
    "conv_out_s": ("conv_out_s",),
    "time_per_n2": ("time_per_n2",),
    "tag": ("tag",),
    "util": ("util", "utilisation", "utilization"),
    "returncode": ("returncode", "rc"),
    "max_rss_kb": ("max_rss_kb",),
    "inblock": ("inblock", "blocks_read"),
    "executed": ("executed", "executed_backend", "backend_executed"),
    "threads": ("threads", "threads_effective"),
    "warmed_up": ("warmed_up", "warmup", "warmups"),
    "runs": ("runs",),
    "wall_mean": ("wall_mean",),
    "wall_std": ("wall_std",),
    "tn2_mean": ("tn2_mean",),
    "conv_in_mean": ("conv_in_mean",),
    "conv_out_mean": ("conv_out_mean",),
}
KNOWN = {alias: name for name, aliases in NAMES.items() for alias in aliases}
WHOLE = {"rep", "n_atoms", "species", "returncode", "max_rss_kb", "inblock", "runs"}
WORDS = {"file", "mode", "tag", "executed", "threads"}
# Headerless tables, by number of columns: the compact export, and the timings without their header.
HEADERLESS = {
    4: ("", "file", "mode", "wall_s"),
    10: (
        "file",
        "mode",
        "rep",
        "n_atoms",
        "species",
        "wall_s",
        "compute_s",
        "conv_in_s",
        "conv_out_s",
        "time_per_n2",
    ),
}
ABSENT = {"", "na", "n/a", "none", "null", "-"}
YES, NO = {"1", "true", "yes"}, {"0", "false", "no"}


def header_of(cells: list[str]) -> tuple[str, ...] | None:
    """Return our names of a header's columns, empty for unknown ones; None if the row is not a header."""
    names = tuple(KNOWN.get(cell.strip().lstrip("\ufeff").lower(), "") for cell in cells)
    return names if "mode" in names and len(set(names) - {""}) > 1 else None


def measurement(table: str, cells: Mapping[str, Any]) -> Measurement:
    """Return the measurement of one row.

    Args:
        table: Name of the table.
        cells: Its cells, by our column names.

    Raises:
        ValueError: If a cell is not a number as required, or there is no mode.
    """
    return Measurement(table=table, **_read(cells, Measurement.__dataclass_fields__))


def summarized(table: str, cells: Mapping[str, Any]) -> Summarized:
    """Return the row of a summary; see `measurement`."""
    return Summarized(table=table, **_read(cells, Summarized.__dataclass_fields__))


def _read(cells: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: _cell(name, cell) for name, cell in cells.items() if name in wanted}
    if not found.get("mode") or not found.get("file"):
        message = "a row without file or mode"
        raise ValueError(message)
    return {name: value for name, value in found.items() if value is not None}


def _cell(name: str, cell: Any) -> Any:
    text = str(cell).strip() if cell is not None else ""
    if name in WORDS:
        return text
    if text.lower() in ABSENT:
        return None
    if name == "warmed_up":
        return text.lower() in YES or (text.lower() not in NO and float(text) > 0)
    number = float(text)
    if name not in WHOLE:
        return number
    if number != int(number):
        message = f"{name} is {text[:20]!r}, not an integer"
        raise ValueError(message)
    return int(number)
