"""What every table of a study is read into."""

from __future__ import annotations

from dataclasses import dataclass

# What a log says of how a batch system saw a process end, among the words of a `LogLine`.
ENDED = "ended with"
GOOD_END = "return value 0"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One timed run of one mode on one file; None is what the table does not tell.

    Attributes:
        table: Where it stands: bundle and name of the table. Only what stands in one table is compared.
        file: The system, as the study calls it.
        mode: What the study says was run; a label, no evidence.
        rep: Number of the repetition, from 1.
        n_atoms: Atoms.
        species: Distinct elements.
        wall_s: Wall time, s.
        compute_s: The part in the calculation.
        conv_in_s: The part in conversions before it.
        conv_out_s: The part in conversions after it.
        time_per_n2: Wall time over n_atoms squared, s, as the table has it.
        tag: What else tells runs apart: before and after, dtype and device.
        util: Utilisation, as the table has it.
        returncode: How the process ended.
        max_rss_kb: Its largest resident memory, kB.
        inblock: Blocks that it read from disk.
        executed: What the table tells of the backend that really ran.
        threads: Threads that were really used, likewise.
        warmed_up: Whether a warm-up before is recorded.
    """

    table: str
    file: str
    mode: str
    rep: int | None = None
    n_atoms: int | None = None
    species: int | None = None
    wall_s: float | None = None
    compute_s: float | None = None
    conv_in_s: float | None = None
    conv_out_s: float | None = None
    time_per_n2: float | None = None
    tag: str = ""
    util: float | None = None
    returncode: int | None = None
    max_rss_kb: int | None = None
    inblock: int | None = None
    executed: str = ""
    threads: str = ""
    warmed_up: bool | None = None

    @property
    def bundle(self) -> str:
        """Name of the bundle."""
        return self.table.partition("/")[0]

    @property
    def recorded(self) -> bool:
        """Whether this is what a process was recorded to do, no line of a table made afterwards."""
        return self.returncode is not None or bool(self.executed)

    @property
    def system(self) -> str:
        """The file without its suffix: tables of one study differ in that."""
        return self.file.removesuffix(".xyz")


@dataclass(frozen=True, slots=True)
class Summarized:
    """Several runs of one mode on one file, as a table of a study sums them up."""

    table: str
    file: str
    mode: str
    n_atoms: int | None = None
    species: int | None = None
    tag: str = ""
    runs: int | None = None
    wall_mean: float | None = None
    wall_std: float | None = None
    tn2_mean: float | None = None
    conv_in_mean: float | None = None
    conv_out_mean: float | None = None

    @property
    def system(self) -> str:
        """The file without its suffix."""
        return self.file.removesuffix(".xyz")


@dataclass(frozen=True, slots=True)
class LogLine:
    """What a log says of one run in `key=value` words.

    Attributes:
        log: The log: bundle and name.
        file: The system.
        mode: The mode that was asked for.
        values: The words; an empty value is one too.
    """

    log: str
    file: str
    mode: str
    values: dict[str, str]

    @property
    def bundle(self) -> str:
        """Name of the bundle."""
        return self.log.partition("/")[0]

    @property
    def system(self) -> str:
        """The file without its suffix."""
        return self.file.removesuffix(".xyz")
