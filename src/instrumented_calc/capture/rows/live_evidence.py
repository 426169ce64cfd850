"""What is kept in memory of a run that goes on, so that its gravest faults can be told before it ends.

Samples are thinned as they come: a run of any length keeps at most `MOST_SAMPLES` of them.
"""

from __future__ import annotations

from typing import NamedTuple

MOST_SAMPLES = 1024
MOST_COMPILES = 1000


class Sample(NamedTuple):
    """The process at the end of a call; None where it was not measured."""

    call: int
    end_ns: int
    cpu_ns: int | None
    rss_bytes: int | None
    device_bytes: int | None


class LiveEvidence:
    """The evidence for findings while a run goes on.

    Attributes:
        samples: Memory, evenly over the calls so far.
        compiled: Calls in which something was compiled.
    """

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.compiled: list[int] = []
        self._every = 1
        self._next = 0

    def add(self, sample: Sample) -> None:
        """Keep a sample, if it is its turn."""
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
