"""Library functions that are parts of any calculator: neighbour lists, graph builders, the backward pass.

Each is replaced by a stand-in for the run, as soon as its library is loaded: where the library itself looks
it up, and in all modules that have imported a function by its name.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from instrumented_calc.capture.counting.torch_einsum import leave_alone
from instrumented_calc.capture.open_calls import active
from instrumented_calc.capture.parts.call_tree import CallTree
from instrumented_calc.capture.parts.stand_ins import StandIn, StandInGroup
from instrumented_calc.capture.probes.torch_device import DeviceTimes
from instrumented_calc.integration import Part
from instrumented_calc.journal.vocabulary import LIST_BUILDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_dictionary_of_module: Any = vars(ModuleType)["__dict__"]

BACKWARD = "backward"
GRAPH = "graph"
NEIGHBOUR_LIST = "neighbour list"
NEIGHBOURS = "neighbours"  # the group


class LibraryCall(NamedTuple):
    """A function or method of a library.

    Attributes:
        module: Its module.
        owner: Its class; empty for a function.
        attribute: Its name.
        name: Name of the part.
        group: Group of the part.
    """

    module: str
    owner: str
    attribute: str
    name: str = NEIGHBOUR_LIST
    group: str = NEIGHBOURS


LIBRARY_CALLS = (
    LibraryCall("ase.neighborlist", "", "primitive_neighbor_list"),
    LibraryCall("ase.neighborlist", "PrimitiveNeighborList", "update"),
    LibraryCall("ase.neighborlist", "NewPrimitiveNeighborList", "update"),
    LibraryCall("matscipy.ffi", "", "neighbour_list"),
    LibraryCall("nvalchemiops.torch.neighbors", "", "neighbor_list"),
    LibraryCall("torch_nl.neighbor_list", "", "compute_neighborlist"),
    LibraryCall("torch_nl.neighbor_list", "", "compute_neighborlist_n2"),
    LibraryCall("vesin", "NeighborList", "compute"),
    LibraryCall("vesin_torch", "NeighborList", "compute"),
    LibraryCall("vesin.metatomic", "NeighborList", "compute"),
    LibraryCall("chgnet.graph.converter", "CrystalGraphConverter", "forward", GRAPH),
    LibraryCall("mace.data.atomic_data", "AtomicData", "from_config", GRAPH),
    LibraryCall("mace.tools.torch_geometric.batch", "Batch", "from_data_list", GRAPH),
    LibraryCall("matgl.ext.ase", "Atoms2Graph", "get_graph", GRAPH),
    LibraryCall("mattersim.datasets.utils.build", "", "build_dataloader", GRAPH),
    LibraryCall("mattersim.datasets.utils.convertor", "GraphConvertor", "convert", GRAPH),
    LibraryCall("sevenn.train.dataload", "", "unlabeled_atoms_to_graph", GRAPH),
    LibraryCall("torch.autograd", "", "_engine_run_backward", BACKWARD, "forces"),
)


class Backward(StandIn):
    """The backward pass of torch, unless a part of an integration already times it."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the backward pass, timed inside recorded calls."""
        for entry in active.stack:
            if entry.name == BACKWARD or entry.name.startswith(f"{BACKWARD} ("):
                return self.real(*args, **kwargs)
        return super().__call__(*args, **kwargs)


class TimedLibraries:
    """Times the library functions of the loaded libraries until the run ends."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._placed: dict[tuple[int, str], StandInGroup] = {}
        self._originals: dict[LibraryCall, Any] = {}
        self._modules_seen = 0
        self._closed = False

    def look(self) -> None:
        """Time the libraries that have been loaded, or imported by other modules, since the last time."""
        if len(sys.modules) == self._modules_seen:
            return
        with self._lock:
            if self._closed:
                return
            self._modules_seen = len(sys.modules)
            for call in LIBRARY_CALLS:
                self._time(call)

    def _time(self, call: LibraryCall) -> None:
        part = part_of(call)
        if part is None:
            return
        if call not in self._originals:
            self._originals[call] = _original(_names_in(part.owner)[call.attribute])
            self._place(part)
            if call.name == BACKWARD:
                _hide_from_dynamo()
        if not call.owner and call.name != BACKWARD:  # torch itself exchanges that one
            for module in _importers(call.attribute, self._originals[call]):
                self._place(replace(part, owner=module))

    def _place(self, part: Part) -> None:
        key = id(part.owner), part.attribute
        if key not in self._placed:
            group = StandInGroup([(Backward if part.name == BACKWARD else StandIn)(part)])
            group.put(id(self))
            self._placed[key] = group

    def close(self) -> None:
        """Restore the libraries."""
        with self._lock:
            self._closed = True
            for group in self._placed.values():
                group.take_back(id(self))
            self._placed, self._originals = {}, {}


def _importers(name: str, function: Any) -> list[ModuleType]:
    """Return the modules that have imported a function by its name."""
    modules = [*sys.modules.values()]  # a copy: threads may import
    return [module for module in modules if _original(_names_in(module).get(name)) is function]


def _original(found: Any) -> Any:
    """Return what is timed, if a stand-in of another run is in its place."""
    return found.real if issubclass(type(found), StandIn) else found


def _names_in(owner: Any) -> Mapping[str, Any]:
    """Return the names in a module or class; a module that is loaded when it is first used is not loaded."""
    kind = type(owner)
    if issubclass(kind, ModuleType):
        names: dict[str, Any] = _dictionary_of_module.__get__(owner) or {}
        return names
    return vars(owner) if issubclass(kind, type) else {}


def part_of(call: LibraryCall) -> Part | None:
    """Return the part of a library function, if it is loaded."""
    owner: Any = sys.modules.get(call.module)
    if call.owner:
        owner = _names_in(owner).get(call.owner)
    if call.attribute not in _names_in(owner):
        return None
    return Part(call.name, owner, call.attribute, call.group, counts=_counts_of(call))


def groups() -> dict[str, str]:
    """Return the groups of the parts by their names."""
    return {call.name: call.group for call in LIBRARY_CALLS}


def _counts_of(call: LibraryCall) -> Callable[[Any], dict[str, int]] | None:
    if call.name != NEIGHBOUR_LIST:
        return None
    return _builds_where_needed if call.attribute == "update" else _builds_always


def _builds_where_needed(built: Any) -> dict[str, int]:
    """Count a call of ASE's `update`, which returns whether it rebuilt the list."""
    return {LIST_BUILDS: 1} if built is True else {}


def _builds_always(_: Any) -> dict[str, int]:
    return {LIST_BUILDS: 1}


def _hide_from_dynamo() -> None:
    """Make torch.compile run stand-ins unmodified where it meets them between compiled parts."""
    functions = (StandIn.__call__, Backward.__call__, DeviceTimes.enter, DeviceTimes.leave)
    leave_alone(sys.modules["torch"], *functions, CallTree.enter, CallTree.leave, CallTree.charge)
