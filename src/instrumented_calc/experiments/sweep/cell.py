"""One cell: what it computes, and its key. `sweep`, `scale` and `compare-all` run the same cells."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Literal

import msgspec

from instrumented_calc.experiments.ranges import (
    MOST_REPLICATES,
    MOST_STEPS,
    MOST_THREADS,
    check_atoms,
    check_seed,
    check_temperature,
    check_whole,
)
from instrumented_calc.journal.masking import mask_secrets

LONGEST_NAME = 60  # characters of the readable part of a key
HASH_DIGITS = 12  # two of a million cells have the same hash with a probability of 0.2 %


class SweepCell(msgspec.Struct, frozen=True):
    """Dynamics of one calculator on one system.

    Attributes:
        calc: The calculator's spec, as for `--calc`.
        system: The system's name.
        n_atoms: The true number of atoms.
        replicate: From 1. Replicates compute the same: how they differ is the machine's doing.
        steps: Steps of dynamics.
        threads: Threads per library; 0: as the environment says, which a manifest does not leave open.
        temperature_k: Temperature of the velocities, K.
        seed: Seed of the system and its velocities.
        calc_files: Hash of the files that the calculator is made from, such as `calc.py`; empty without any.
        ensemble: NVE, a Langevin thermostat, or a thermostat with a barostat.
        equilibration: Langevin steps before, a phase of their own in the journal.
    """

    calc: str
    system: str
    n_atoms: int
    replicate: int
    steps: int
    threads: int
    temperature_k: float
    seed: int
    calc_files: str = ""
    ensemble: Literal["nve", "langevin", "npt"] = "nve"
    equilibration: int = 0

    @property
    def definition(self) -> dict[str, Any]:
        """All attributes except those with their default value: a new one changes no key."""
        values = self.__struct_defaults__
        defaults = dict(zip(self.__struct_fields__[-len(values) :], values, strict=True))
        found: dict[str, Any] = msgspec.to_builtins(self)
        return {name: each for name, each in found.items() if name not in defaults or each != defaults[name]}

    @property
    def key(self) -> str:
        """A short readable name and a hash of the definition; safe in file names and shells."""
        name = safe_name(f"{safe_name(self.calc, LONGEST_NAME // 2)}-{self.system}")
        content = json.dumps(self.definition, sort_keys=True).encode()
        numbers = f"n{self.n_atoms}-r{self.replicate}-{hashlib.sha256(content).hexdigest()[:HASH_DIGITS]}"
        key = f"{name}-{numbers}"
        # A journal masks what looks like an access token, and would not have such a key.
        return key if mask_secrets(key) == key else f"cell-{numbers}"

    def check(self) -> None:
        """Check the ranges of the numbers.

        Raises:
            ExperimentError: A number is out of range, or the number of threads is left open.
        """
        check_atoms(self.n_atoms)
        check_whole("replicate", self.replicate, 1, MOST_REPLICATES)
        check_whole("steps", self.steps, 1, MOST_STEPS)
        check_whole("equilibration", self.equilibration, 0, MOST_STEPS)
        check_whole("threads", self.threads, 1, MOST_THREADS)
        check_temperature(self.temperature_k)
        check_seed(self.seed)


def safe_name(text: str, longest: int = LONGEST_NAME) -> str:
    """Return a text with all but ASCII letters and digits replaced by single dashes."""
    return re.sub("[^A-Za-z0-9]+", "-", text)[:longest].strip("-") or "x"
