"""Bundles made to the formats of a published study, with invented figures."""

from __future__ import annotations

import csv
import io
import json
import statistics
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SYSTEMS = {"one_species.xyz": (24, 1), "two_species.xyz": (24, 2), "ellipsoids.xyz": (2, 1)}
MODES = {"numpy_only": 1e-4, "torch_mixed": 7e-4, "torch_full": 6.5e-4}
TIMINGS = ["file", "mode", "rep", "N", "species_unique", "wall_s", "compute_s", "conv_in_s", "conv_out_s"]
SUMMARY = ["file", "mode", "N", "species", "runs", "wall_mean", "wall_std", "tN2_mean"]


def as_table(rows: list[dict[str, Any]], columns: list[str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def timings(*, first: float = 1.0, open_share: float = 0.02, scatter: float = 0.02) -> list[dict[str, Any]]:
    """Return three runs of each mode on each system; the first of each takes `first` times as long."""
    rows = []
    for place, (file, (n_atoms, species)) in enumerate(SYSTEMS.items()):
        for mode, wall in MODES.items():
            for rep in (1, 2, 3):
                level = wall * (1 + scatter * (rep - 2)) * (1 + 0.1 * place) * (first if rep == 1 else 1.0)
                conversion = 0.1 * level if mode == "torch_mixed" else 0.0
                rows.append(
                    {
                        "file": file,
                        "mode": mode,
                        "rep": rep,
                        "N": n_atoms,
                        "species_unique": species,
                        "wall_s": level,
                        "compute_s": level * (1 - open_share) - conversion,
                        "conv_in_s": conversion * 0.9,
                        "conv_out_s": conversion * 0.1,
                        "time_per_N2": level / n_atoms**2,
                    }
                )
    return rows


def summary_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for file, (n_atoms, species) in SYSTEMS.items():
        for mode in MODES:
            walls = [row["wall_s"] for row in rows if (row["file"], row["mode"]) == (file, mode)]
            found.append(
                {
                    "file": file,
                    "mode": mode,
                    "N": n_atoms,
                    "species": species,
                    "runs": len(walls),
                    "wall_mean": statistics.mean(walls),
                    "wall_std": statistics.stdev(walls),
                    "tN2_mean": statistics.mean(walls) / n_atoms**2,
                }
            )
    return found


def metrics(file: str, mode: str, **other: Any) -> bytes:
    return json.dumps(
        {
            "xyz": file,
            "mode": mode,
            "returncode": 0,
            "elapsed_s": 0.25 if mode == "numpy" else 0.14,
            "max_rss_kb": 43_500,
            "inblock": 32_000 if mode == "numpy" else 400,
            "oublock": 0,
            **other,
        }
    ).encode()


def local_members(**options: float) -> dict[str, bytes]:
    rows = timings(**options)
    return {
        "timings_local.csv": as_table(rows, [*TIMINGS, "time_per_N2"]),
        "summary_local.csv": as_table(summary_of(rows), SUMMARY),
        "run.log": b"all done\n",
    }


def chtc_members() -> dict[str, bytes]:
    found = {"tables/timings.csv": b"", "cluster_123.log": b"000 (123.000.000) Job submitted\n"}
    for file in SYSTEMS:
        name = file.removesuffix(".xyz")
        for mode, value in (("numpy", "4.316846e+01"), ("torch", "4.316846e+01")):
            wall = 0.25 if mode == "numpy" else 0.14
            found[f"tables/{name}_{mode}.metrics.json"] = metrics(file, mode)
            found["tables/timings.csv"] += f"{name}_{mode},{file},{mode},{wall}\n".encode()
            found[f"logs/$(basename {file})_{mode}.out"] = (
                f"[START] file={file} mode={mode} jobtag={name}_{mode}\n"
                f"[OK] backend= species=2 value={value} elapsed=0.066s input={file}\n"
                f"[END] jobtag={name}_{mode} wall=0.131s\n"
            ).encode()
            found[f"{name}_{mode}.wall"] = b"0.131\n"
    found["env_report.json"] = b'{"python": "3.13.9", "error": "No module named \'torch\'"}'
    found["trace_ellipsoids.json"] = b'{"traceEvents": []}'
    found["run_all.sh"] = b"touch /tmp/pwned; touch pwned\n"
    return found


def write_tgz(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path
