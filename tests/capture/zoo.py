"""Calculators of every unusual make, all of them springs that pull each atom to the origin."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from copy import copy, deepcopy
from functools import partial

import numpy as np
from ase.build import bulk, molecule
from ase.calculators.calculator import (
    BaseCalculator,
    Calculator,
    PropertyNotImplementedError,
    all_changes,
)
from ase.calculators.harmonic import HarmonicCalculator, HarmonicForceField


def copper():
    """Return eight atoms of copper off their places, in motion."""
    return _in_motion(bulk("Cu", cubic=True) * (2, 1, 1))


def water():
    """Return two molecules of water, each atom in the order that TIP3P wants."""
    one = molecule("H2O")
    one.positions += 4.0
    other = one.copy()
    other.positions += (2.9, 0.1, 0.2)
    pair = one + other
    pair.set_cell((15.0, 15.0, 15.0))
    return _in_motion(pair)


def _in_motion(atoms):
    random = np.random.default_rng(11)
    atoms.positions += random.normal(scale=0.03, size=(len(atoms), 3))
    atoms.set_momenta(random.normal(scale=0.5, size=(len(atoms), 3)))
    return atoms


class Spring(Calculator):
    """An ordinary calculator."""

    implemented_properties = ("energy", "forces")
    default_parameters = {"k": 0.02}  # noqa: RUF012 - as ASE has it

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        """Calculate all, whatever is asked for."""
        super().calculate(atoms, properties or ["energy"], system_changes)
        self.results = pulled(self.atoms, self.parameters["k"])

    def do_work(self):
        """Calculate as some calculators' own methods do."""
        self.calculate(self.atoms, ["energy"], [])


def pulled(atoms, k):
    """Return the energy and the forces of a spring."""
    return {
        "energy": float(0.5 * k * (atoms.positions**2).sum()),
        "forces": -k * atoms.positions,
    }


class BaseSpring(BaseCalculator):
    """One that derives from the smaller of ASE's base classes."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms, properties, system_changes):
        """Calculate all."""
        self.atoms = atoms.copy()
        self.results = pulled(atoms, 0.02)


class SlottedSpring(Spring):
    """One with both a slot and a dictionary."""

    __slots__ = ("stiffness",)

    def __init__(self, **kwargs):
        self.stiffness = 0.02
        super().__init__(**kwargs)


class PureSlots:
    """One that is not ASE's and has slots only."""

    __slots__ = ("atoms", "results")
    implemented_properties = ("energy", "forces")

    def __init__(self):
        self.atoms = None
        self.results = {}

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        """Calculate all."""
        self.atoms = atoms.copy()
        self.results = pulled(atoms, 0.02)

    def get_property(self, name, atoms=None, allow_calculation=True):
        """Answer, from memory where nothing has changed."""
        if name not in self.implemented_properties:
            raise PropertyNotImplementedError(name)
        if self.atoms != atoms:
            if not allow_calculation:
                return None
            self.calculate(atoms, [name], all_changes)
        return copy(self.results[name])

    def get_potential_energy(self, atoms=None, force_consistent=False):
        """Return the energy."""
        return self.get_property("energy", atoms)

    def get_forces(self, atoms=None):
        """Return the forces."""
        return self.get_property("forces", atoms)


class DictSpring(dict, Spring):
    """One that is a dictionary."""

    def __init__(self, **kwargs):
        Spring.__init__(self, **kwargs)
        self["colour"] = "red"


class DeletedSpring(Spring):
    """One that must be deleted exactly once."""

    deleted = ()

    def __del__(self):
        type(self).deleted += (id(self),)


class RegisteredSpring(Spring):
    """One whose subclasses register."""

    subclasses = ()

    def __init_subclass__(cls, **kwargs):
        RegisteredSpring.subclasses += (cls.__name__,)
        super().__init_subclass__(**kwargs)


class StatefulSpring(Spring):
    """One that pickles in its own way."""

    def __getstate__(self):
        """Keep the parameters only."""
        return {"kept": dict(self.parameters)}

    def __setstate__(self, state):
        """Start anew with the parameters."""
        self.__init__(**state["kept"])


class CopyingSpring(Spring):
    """One that copies in its own way, and its atoms with it."""

    copied_by = None

    def __copy__(self):
        """Return a calculator with the same parameters."""
        made = type(self)(**self.parameters)
        made.copied_by = "copy"
        return made

    def __deepcopy__(self, memo):
        """Return a calculator with copies of all that this one has."""
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__dict__.update(deepcopy(self.__dict__, memo))
        made.copied_by = "deepcopy"
        return made


class StrictSpring(BaseCalculator):
    """One that takes no attribute it does not know, like Castep."""

    implemented_properties = ("energy", "forces")
    known = frozenset({"atoms", "results", "parameters", "use_cache", "k"})

    def __init__(self):
        super().__init__()
        self.k = 0.02

    def __setattr__(self, name, value):
        if name not in self.known:
            message = f"no keyword {name}"
            raise AttributeError(message)
        object.__setattr__(self, name, value)

    def __getattr__(self, name):
        message = f"no such keyword: {name}"
        raise AttributeError(message)

    def calculate(self, atoms, properties, system_changes):
        """Calculate all."""
        self.atoms = atoms.copy()
        self.results = pulled(atoms, self.k)


class AbstractSpring(ABC):
    """What `ConcreteSpring` has to be."""

    @abstractmethod
    def stiffness(self):
        """Return the stiffness."""


class ConcreteSpring(AbstractSpring, Spring):
    """One with a metaclass."""

    def stiffness(self):
        """Return the stiffness."""
        return self.parameters["k"]


class EqualSpring(Spring):
    """One that has its own idea of equality."""

    def __eq__(self, other):
        return isinstance(other, EqualSpring) and self.parameters == other.parameters

    def __hash__(self):
        return 42


class OpenSpring(Spring):
    """One that is used in a `with` block."""

    is_open = False

    def __enter__(self):
        self.is_open = True
        return self

    def __exit__(self, *_):
        self.is_open = False


class LockedSpring(Spring):
    """One that can be neither deep-copied nor pickled."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.handle = threading.Lock()


class AttachedSpring(Spring):
    """One that keeps the atoms it is assigned to, which makes a cycle."""

    def set_atoms(self, atoms):
        """Keep the atoms."""
        self.owner = atoms


class RestartedSpring(Spring):
    """One that initialises itself again."""

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        """Start anew before each calculation."""
        self.__init__(**self.parameters)
        super().calculate(atoms, properties, system_changes)


class FailingSpring(Spring):
    """One that raises a given exception."""

    failure = None

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        """Raise or calculate."""
        super().calculate(atoms, properties, system_changes)
        if self.failure is not None:
            raise self.failure


def patched_spring():
    """Return a calculator whose `calculate` was replaced on the instance."""
    calc = Spring()
    calc.calculate = partial(shifted, calc)
    return calc


def shifted(calc, *args, **kwargs):
    """Calculate as the class does, and add an eV."""
    type(calc).calculate(calc, *args, **kwargs)
    calc.results["energy"] += 1.0


def harmonic():
    """Return a calculator that holds copper at its lattice."""
    reference = bulk("Cu", cubic=True) * (2, 1, 1)
    field = HarmonicForceField(ref_atoms=reference, hessian_x=np.eye(3 * len(reference)))
    return HarmonicCalculator(field)
