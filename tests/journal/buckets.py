"""The histogram buckets of the format, computed as its description says."""

from instrumented_calc.journal.records import HISTOGRAM_BITS


def bucket_of(wall_ns: int) -> int:
    """Return the histogram bucket of a duration.

    Args:
        wall_ns: A duration, in ns, not negative.

    Returns:
        The bucket number: 32 buckets per octave, exact below 64 ns.
    """
    shift = wall_ns.bit_length() - HISTOGRAM_BITS - 1
    return wall_ns if shift <= 0 else (shift << HISTOGRAM_BITS) + (wall_ns >> shift)
