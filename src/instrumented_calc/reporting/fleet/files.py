"""A fleet for programs: JSON, CSV and Parquet, one row per run."""

from __future__ import annotations

import io
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from instrumented_calc.errors import MissingPackageError
from instrumented_calc.intake.outgoing.safe_csv import as_csv
from instrumented_calc.plain_text import plain_json
from instrumented_calc.reporting.fleet.report import NOT_JUDGED
from instrumented_calc.reporting.fleet.rows import FleetRow, row_dicts
from instrumented_calc.reporting.forms.call_table import PARQUET_NEEDS

if TYPE_CHECKING:
    from instrumented_calc.analysis.fleet.fleet import Fleet
    from instrumented_calc.analysis.fleet.slow_nodes import NodeSpeed

SCHEMA = "instrumented-calc-fleet/1"


def fleet_json(fleet: Fleet) -> str:
    """Return all runs, groups, nodes and files without a run as one JSON object, ending with a newline."""
    return plain_json(fleet_numbers(fleet)) + "\n"


def fleet_numbers(fleet: Fleet) -> dict[str, Any]:
    """Return the same as plain data; None was not measured."""
    return {
        "schema": SCHEMA,
        "files": fleet.files,
        "soundness": NOT_JUDGED,
        "runs": row_dicts(fleet),
        "groups": [
            {
                "group": number,
                "runs": len(group.runs),
                "nodes": group.nodes,
                "identity": dict(group.identity),
                "call_ns": group.centre_ns,
                "scatter": group.scatter,
            }
            for number, group in enumerate(fleet.groups, 1)
        ],
        "nodes": [_node(each) for each in fleet.nodes],
        "same_frames": [
            {"ranks": each.ranks, "files": [run.path for run in each.runs]} for each in fleet.same
        ],
        "not_runs": [asdict(each) for each in fleet.not_runs],
    }


def _node(node: NodeSpeed) -> dict[str, Any]:
    return {
        "host": node.host,
        "hardware": dict(node.hardware),
        "runs": node.runs,
        "slower": node.slower,
        "scatter_of_others": node.scatter,
        "compared_with": node.nodes,
        "slow": node.slow,
    }


def fleet_csv(fleet: Fleet) -> str:
    """Return one row per run; not measured is an empty cell."""
    return as_csv(row_dicts(fleet)).decode()


def fleet_parquet(fleet: Fleet) -> bytes:
    """Return one row per run; not measured is null.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingPackageError(PARQUET_NEEDS) from error
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    columns = get_type_hints(FleetRow)
    schema = pa.schema([(name, kinds[(*get_args(kind), kind)[0]]) for name, kind in columns.items()])
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(row_dicts(fleet), schema=schema), file, compression="zstd")
    return file.getvalue()
