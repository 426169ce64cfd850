"""The execution evidence of a cell of our own experiment, in the columns of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

BYTES_PER_KB = 1024


def executed_words(seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns filled by the evidence of a cell; unknown ones are absent.

    A loaded library need not have run; operations show that it did.

    Args:
        seen: Counts of contractions and operations, memory, threads in effect, blocks read.
    """
    torch = any(_counted(seen.get(name)) for name in ("torch_contractions", "torch_operations"))
    numpy = _counted(seen.get("numpy_contractions"))
    ran = [name for name, there in (("torch", torch), ("numpy", numpy)) if there]
    rss, pools = seen.get("peak_rss_bytes"), seen.get("effective")
    sizes = sorted({str(size) for size in pools.values()}) if isinstance(pools, dict) else []
    return {
        "executed": " and ".join(ran) or "nothing that was recorded",
        "max_rss_kb": int(rss / BYTES_PER_KB) if isinstance(rss, (int, float)) else None,
        "threads": "/".join(sizes),
        "inblock": seen.get("blocks_read"),
    }


def _counted(number: Any) -> bool:
    return isinstance(number, (int, float)) and number > 0
