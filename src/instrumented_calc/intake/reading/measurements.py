"""The common form of every table of a study."""

from __future__ import annotations

from dataclasses import dataclass

# Words of a `LogLine` for how a batch system saw a process end.
ENDED = "ended with"
GOOD_END = "return value 0"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One timed run of one mode on one file; None for values missing in the table.

    Attributes:
        table: Bundle and name of the table. Only runs of the same table are compared.
        file: The system, as named by the study.
        mode: The mode claimed by the study; a label, not evidence.
        rep: Number of the repetition, from 1.
        n_atoms: Atoms.
        species: Distinct elements.
        wall_s: Wall time, s.
        compute_s: The part in the calculation.
        conv_in_s: The part in conversions before it.
        conv_out_s: The part in conversions after it.
        time_per_n2: Wall time over n_atoms squared, s, as given in the table.
        tag: Further key of runs: before and after, dtype and device.
        util: Utilisation, as given in the table.
        returncode: How the process ended.
        max_rss_kb: Its largest resident memory, kB.
        inblock: Blocks read from disk.
        executed: Backend that actually ran, according to the table.
        threads: Threads actually used, according to the table.
        warmed_up: Whether a preceding warm-up is recorded.
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
        """Whether the row comes from the process's own record, not from a table written later."""
        return self.returncode is not None or bool(self.executed)

    @property
    def threads_in_effect(self) -> str:
        """Threads actually used; empty if not recorded."""
        return self.threads

    @property
    def system(self) -> str:
        """The file without its suffix, since tables of one study differ in that."""
        return self.file.removesuffix(".xyz")


@dataclass(frozen=True, slots=True)
class Summarized:
    """Summary of several runs of one mode on one file, from a table of a study."""

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
    """Contents of a log line about one run, as `key=value` words.

    Attributes:
        log: The log: bundle and name.
        file: The system.
        mode: The requested mode.
        values: The words; values may be empty.
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
