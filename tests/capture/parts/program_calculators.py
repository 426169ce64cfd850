"""Calculators that run `external_program.py`, by files as ASE's own do."""

import json
import sys
from pathlib import Path

import numpy as np
from ase.calculators.calculator import FileIOCalculator
from ase.calculators.genericfileio import BaseProfile, CalculatorTemplate, GenericFileIOCalculator

PROGRAM = Path(__file__).with_name("external_program.py").resolve()
INPUT, OUTPUT = "program.in", "program.out"
IMPLEMENTED = ("energy", "forces")


def command(*options):
    """Return the command line that runs this script."""
    return " ".join([sys.executable, str(PROGRAM), INPUT, OUTPUT, *map(str, options)])


def write_input(directory, atoms):
    """Write the input file."""
    text = json.dumps(atoms.positions.tolist())
    (Path(directory) / INPUT).write_text(text, encoding="utf-8")


def read_results(directory):
    """Read the output file."""
    found = json.loads((Path(directory) / OUTPUT).read_text(encoding="utf-8"))
    return {"energy": found["energy"], "forces": np.array(found["forces"])}


class ByFiles(FileIOCalculator):
    """Runs the program in a shell, as most of ASE's calculators for external programs do."""

    name = "byfiles"
    implemented_properties = IMPLEMENTED

    def write_input(self, atoms, properties=None, system_changes=None):
        """Write the input file."""
        super().write_input(atoms, properties, system_changes)
        write_input(self.directory, atoms)

    def read_results(self):
        """Read the output file."""
        self.results = read_results(self.directory)


class Profile(BaseProfile):
    """The command of a generic calculator."""

    def get_calculator_command(self, inputfile):
        """Return no further arguments."""
        return []

    def version(self):
        """Return any version."""
        return "1"


class Template(CalculatorTemplate):
    """Files of a generic calculator."""

    def __init__(self):
        super().__init__("program", IMPLEMENTED)

    def write_input(self, profile, directory, atoms, parameters, properties):
        """Write the input file."""
        write_input(directory, atoms)

    def execute(self, directory, profile):
        """Run the program."""
        profile.run(directory, INPUT, "program.log")

    def read_results(self, directory):
        """Read the output file."""
        return read_results(directory)

    def load_profile(self, cfg):
        """Return the profile of ASE's configuration."""
        return Profile.from_config(cfg, self.name)


def by_files(*options):
    """Return a FileIOCalculator."""
    return ByFiles(command=command(*options), label="program")


def generic(*options):
    """Return a GenericFileIOCalculator."""
    profile = Profile(command(*options))
    return GenericFileIOCalculator(template=Template(), profile=profile, directory=".")
