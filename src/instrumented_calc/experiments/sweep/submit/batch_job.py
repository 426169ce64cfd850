"""What a user chooses about the jobs of a sweep, checked before it is written into a submit file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from instrumented_calc.errors import ExperimentError

# A word that means itself to a shell and to the parsers of Slurm and HTCondor.
WORD = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9@%+=:_./-]*")
MEMORY = re.compile(r"([1-9][0-9]{0,5})([MG])B?")
TIME = re.compile(r"([0-9]{1,3}):([0-5][0-9]):([0-5][0-9])")
MEGABYTES = {"M": 1, "G": 1024}
MOST_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class BatchJob:
    """Resources and software of the job of one cell.

    Attributes:
        python: A Python with this package, on the nodes or in the image.
        image: Container image; empty: none.
        memory: Memory, such as 4GB.
        walltime: Time limit, as HH:MM:SS.
        gpus: GPUs per cell.
        at_most: Cells at the same time; 0: as many as the batch system starts.
        array_size: Cells in one array job. Slurm's `MaxArraySize` is 1001 by default; indices end below it.
    """

    python: str = "python3"
    image: str = ""
    memory: str = "2GB"
    walltime: str = "01:00:00"
    gpus: int = 0
    at_most: int = 0
    array_size: int = 1000

    def check(self) -> None:
        """Check that each value is one word that means itself, and in range.

        Raises:
            ExperimentError: It is not; the message names the option.
        """
        for option, word in (("--python", self.python), ("--container", self.image or "none")):
            if not WORD.fullmatch(word):
                message = (
                    f"{option} {word!r}: only letters, digits and @%+=:_./- are possible in submit files"
                )
                raise ExperimentError(message)
        if not MEMORY.fullmatch(self.memory):
            message = f"--memory {self.memory!r}: give megabytes or gigabytes, such as 500MB or 4GB"
            raise ExperimentError(message)
        if not TIME.fullmatch(self.walltime) or not self.seconds:
            message = f"--walltime {self.walltime!r}: give hours, minutes and seconds, such as 01:30:00"
            raise ExperimentError(message)
        for option, number, least in (
            ("--gpus", self.gpus, 0),
            ("--at-most", self.at_most, 0),
            ("--array-size", self.array_size, 1),
        ):
            if not least <= number <= MOST_AT_ONCE:
                message = f"{option} {number} is out of range; give {least} to {MOST_AT_ONCE}"
                raise ExperimentError(message)

    @property
    def megabytes(self) -> int:
        """Memory in MiB, as both batch systems count."""
        number, unit = MEMORY.fullmatch(self.memory).groups()  # type: ignore[union-attr] # checked
        return int(number) * MEGABYTES[unit]

    @property
    def seconds(self) -> int:
        """Time limit in s."""
        hours, minutes, seconds = map(int, TIME.fullmatch(self.walltime).groups())  # type: ignore[union-attr] # checked
        return 3600 * hours + 60 * minutes + seconds
