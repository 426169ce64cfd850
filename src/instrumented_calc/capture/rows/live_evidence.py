"""Evidence kept in memory so that serious problems are reported during the run.

Samples are thinned as they arrive: a run of any length keeps at most `MOST_SAMPLES` of them.
"""

from __future__ import annotations

from typing import NamedTuple

MOST_SAMPLES = 1024
MOST_COMPILES = 1000


class Sample(NamedTuple):
    """State of the process at the end of a call; None where it was not measured."""

    call: int
    end_ns: int
    cpu_ns: int | None
    rss_bytes: int | None
    device_bytes: int | None


class LiveEvidence:
    """Evidence for findings during the run.

    Attributes:
        samples: Memory, evenly spaced over the calls so far.
        compiled: Calls in which something was compiled.
    """

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.compiled: list[int] = []
        self._every = 1
        self._next = 0

    def add(self, sample: Sample) -> None:
        """Keep a sample, if its turn has come."""
        if sample.call < self._next:
            return
        self._next = sample.call + self._every
        self.samples.append(sample)
        if len(self.samples) >= MOST_SAMPLES:
            self.samples = self.samples[::2]
            span = self.samples[-1].call - self.samples[0].call
            self._every = max(2 * span // MOST_SAMPLES, 1)

    def compiles(self, index: int) -> None:
        """Note a call in which something was compiled."""
        if len(self.compiled) < MOST_COMPILES:
            self.compiled.append(index)
