"""The interface between this package and integrations.

An integration is a package for one model library. It registers under the entry-point group
`instrumented_calc.integrations` and is asked for information about a calculator. Importing an integration
must not import its model library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

from instrumented_calc.foreign import is_foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

GROUP = "instrumented_calc.integrations"
# A calculator built only from these has no model that an integration could recognise.
PLAIN = frozenset({"abc", "ase", "builtins", "typing", "unittest"})  # a mock answers any request


@dataclass(frozen=True)
class Part:
    """A callable of a calculator whose time is a component of each call.

    While a wrapped calculator calculates, and only then, `vars(owner)[attribute]` is a timed stand-in.

    Attributes:
        name: Name of the component; several parts may share one.
        owner: Module, class instance or `nn.Module` through which the callable is looked up.
        attribute: Its name there. For an `nn.Module` it is `forward`; for one that torch.compile has
            compiled `_compiled_call_impl`, and nothing inside it.
        group: `energy`, `forces`, `stress`, `neighbours` or `model`, if the part belongs only to that.
        counts: Given the callable's return value, returns counts of the call: edges, pairs. It must never
            wait for a device.
        wait: Given the callable's return value, waits for it: for libraries that return before they have
            computed, so that the time is charged to the right part. Only where the calculator itself waits
            for the same result next.
        shapes: For a function of `jax.jit`: given its arguments, returns a key that distinguishes its
            compiled programs, such as the shapes of the arrays that grow. The contractions of each program
            are then read from its jaxpr, once, and counted with every execution.
    """

    name: str
    owner: Any
    attribute: str
    group: str = ""
    counts: Callable[[Any], dict[str, int]] | None = None
    wait: Callable[[Any], None] | None = None
    shapes: Callable[..., Hashable] | None = None


@dataclass
class Setting:
    """Settings of a case of `instrumented-calc study`; the case adds to the times while it computes.

    Attributes:
        mode: `numpy_only`, `torch_mixed` or `torch_full`.
        dtype: `float64`, `float32` or `float16`.
        device: Name of the torch device: `cpu`, `cuda` or `mps`; a `torch.device` is replaced by its name.
        compiled: Whether torch.compile is used (`reduce-overhead`).
        into_ns: Accumulated array-to-tensor conversion time in ns; the case adds to it.
        compute_ns: Accumulated computation time without conversions in ns; the case adds to it.
        out_ns: Accumulated tensor-to-array conversion time in ns; the case adds to it.
    """

    mode: str
    dtype: str = "float64"
    device: str = "cpu"
    compiled: bool = False
    into_ns: int = 0
    compute_ns: int = 0
    out_ns: int = 0

    def __post_init__(self) -> None:
        """Store the device's name."""
        self.device = str(self.device)

    @property
    def tag(self) -> str:
        """Key of dtype, device and engine."""
        return f"{self.dtype} {self.device} {'compiled' if self.compiled else 'eager'}"


@dataclass(frozen=True)
class Case:
    """One input of `instrumented-calc study`.

    Attributes:
        file: Its name.
        n_atoms: Particles per frame.
        build: Given the setting, returns the timed object: a callable without arguments that returns its
            values (an array, a number, or several by name), or a calculator, whose results are used.
        species: Number of species.
        symbols: Species of each particle of a frame; empty without species.
        pairs: Given the built object, after a call, returns the number of neighbour pairs.
        atoms: The atoms for a calculator; None if it has its own.
        properties: Properties to request from it.
    """

    file: str
    n_atoms: int
    build: Callable[[Setting], Any]
    species: int = 1
    symbols: tuple[str, ...] = ()
    pairs: Callable[[Any], int] | None = None
    atoms: Any = None
    properties: tuple[str, ...] = ("energy",)


@dataclass(frozen=True)
class Workload:
    """A set of inputs of `instrumented-calc study`.

    Attributes:
        name: As a user types it.
        cases: The inputs.
        numpy_dtypes: Dtypes supported by `numpy_only`.
        torch_dtypes: Dtypes supported by the torch modes.
    """

    name: str
    cases: Sequence[Case]
    numpy_dtypes: tuple[str, ...] = ("float64", "float32", "float16")
    torch_dtypes: tuple[str, ...] = ("float64", "float32", "float16")


@dataclass(frozen=True)
class RunFacts:
    """What is known of a program as it is, from which remedies for `instrumented-calc try` are chosen.

    Attributes:
        modules: Top-level modules that the program has loaded.
        trials: Changes that its findings suggest, such as `fewer-threads`; see `trial` of a JSON report.
        aids: Debugging aids that are on: `tracemalloc`, `torch.autograd.set_detect_anomaly`, ...
        debug_logging: Whether messages of level DEBUG are logged.
        components: Timed parts of the calculators.
        contractions: Equations of `numpy.einsum` that take a noticeable part of the wall time, each with the
            shapes of the operands that took most of it.
        observers_share: Share of the wall time in observers, 0 to 1; None if it was not measured.
        list_share: The same in building neighbour lists.
        ase_lists: Lists of one cutoff that `ase.neighborlist.neighbor_list` built; other libraries can, too.
        skin_rebuilt: Share of updates of `ase.neighborlist.NeighborList` beyond the first that built it anew
            as an atom had moved by more than the skin, 0 to 1; None without updates.
        tracked_objects: Objects that a full garbage collection visits.
        collected_share: Share of the wall time in garbage collection, 0 to 1; None if it was not measured.
        threads: Number of threads in the largest thread pool; None without one.
        blas_threads: The same of the pools of BLAS.
        other_threads: The same of all other pools: OpenMP, torch.
        pool_share: Share of the CPU time in threads that libraries started for their pools, 0 to 1; None if
            it was not measured.
        processors: Processors that the process may use; None if unknown.
        physical_cores: Physical cores of the machine; None if unknown.
        dtype: The model's dtype; empty if unknown.
        device: The model's device; empty if unknown.
        torch_model: Class of the largest torch model that a calculator holds; empty without one.
        gpus: GPUs that torch can use; None if the program has not loaded torch.
        compiled: Whether torch.compile takes effect on the model.
    """

    modules: frozenset[str] = frozenset()
    trials: frozenset[str] = frozenset()
    aids: frozenset[str] = frozenset()
    debug_logging: bool = False
    components: frozenset[str] = frozenset()
    contractions: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...] = ()
    observers_share: float | None = None
    list_share: float | None = None
    ase_lists: int = 0
    skin_rebuilt: float | None = None
    tracked_objects: int = 0
    collected_share: float | None = None
    threads: int | None = None
    blas_threads: int | None = None
    other_threads: int | None = None
    pool_share: float | None = None
    processors: int | None = None
    physical_cores: int | None = None
    dtype: str = ""
    device: str = ""
    torch_model: str = ""
    gpus: int | None = None
    compiled: bool = False


@dataclass(frozen=True)
class Remedy:
    """A change of a program that `instrumented-calc try` can make in a process of its own, and measure.

    Attributes:
        name: Unique name, kebab-case.
        keep: What to change to keep it: the line of code or the variable.
        family: Remedies of one family exclude each other; by default a remedy is alone in its own.
        trials: The changes that it makes, as in `RunFacts.trials`: their findings estimate its gain.
        variables: Environment variables of the process.
        before_script: Called before the program runs and before it imports anything.
        at_import: By module, called with it as soon as the program has imported it.
        at_first_call: Called with the calculator at the start of the first calculation.
        energy_tolerance_ev: Largest accepted difference of an energy, eV per atom; None: by the dtype.
        force_tolerance_ev_a: Largest accepted difference of a force, eV/A; None: by the dtype.
        seek: Regular expression for lines of the program that set what the remedy changes.
        obstacle: Why it cannot be tried here, in one line; such a remedy is listed, and not run.
    """

    name: str
    keep: str
    family: str = ""
    trials: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    before_script: Callable[[], None] | None = None
    at_import: Mapping[str, Callable[[Any], None]] = field(default_factory=dict)
    at_first_call: Callable[[Any], None] | None = None
    energy_tolerance_ev: float | None = None
    force_tolerance_ev_a: float | None = None
    seek: str = ""
    obstacle: str = ""


class Integration(Protocol):
    """Interface of an integration for one model library.

    `knows` and `describe` are required; `parts`, `counts`, `build` and `remedies` are optional. `FORMS` lists
    what `build` accepts, such as `mace:FILE`, for error messages; `SPECS` the specs that `instrumented-calc
    compare-all` tries by default. `study(spec)` returns a `Workload` or None, and `STUDIES` lists the specs
    that it adds to `instrumented-calc study`.
    """

    def knows(self, calc: Any) -> bool:
        """Return whether the calculator belongs to this library.

        Args:
            calc: Any calculator. Decide by its attributes: no import, no calculation.
        """
        ...

    def describe(self, calc: Any) -> dict[str, Any]:
        """Return the evidence about the calculator's model, for its record in the journal.

        Args:
            calc: A calculator that this integration recognises.

        Returns:
            Any of: `name` and `library` (for people), `parameters` (a number), `dtype`, `device`,
            `compiled` (whether torch.compile took effect), `precision`; more keys are kept. Values
            must be JSON types; unknown values are omitted. They replace what is found in any calculator: its
            library, its torch model, its settings.
        """
        ...

    def parts(self, calc: Any) -> Sequence[Part]:
        """Return the calculator's timed parts; called once, before its first call.

        Args:
            calc: A calculator that this integration recognises.
        """
        ...

    def counts(self, calc: Any) -> dict[str, int]:
        """Return counts of the call that has just ended: edges, overflows.

        Args:
            calc: A calculator that this integration recognises. Read only values already on the host: never
                wait for a device.
        """
        ...

    def build(self, spec: str) -> Any | None:
        """Return the calculator for a command line's `--calc`, or None if it belongs to another library.

        Args:
            spec: The user's text, such as `orb-v2:weights.ckpt`.

        Raises:
            ModelError: The spec belongs to this library, but the model cannot be built.
        """
        ...

    def remedies(self, facts: RunFacts) -> Iterable[Remedy]:
        """Return the changes that may make a program faster, for `instrumented-calc try`.

        Args:
            facts: What is known of the program; yield only what can apply to it.
        """
        ...


def ask(integration: Integration | None, what: str, calc: Any, troubles: list[str]) -> Any | None:
    """Query an integration about a calculator.

    Args:
        integration: The integration; None answers nothing.
        what: `describe` or `parts`.
        calc: A calculator that it recognises.
        troubles: Receives one line if it fails.

    Returns:
        Its answer, or None if it has none.
    """
    method = getattr(integration, what, None)
    if method is None:
        return None
    try:
        return method(calc)
    except Exception as error:
        if is_foreign(error):
            raise
        troubles.append(_trouble(type(integration).__module__, f"failed in {what}() of", calc, error))
        return None


def find_integration(calc: Any, troubles: list[str] | None = None) -> Integration | None:
    """Return the installed integration that recognises a calculator.

    Args:
        calc: The bare calculator.
        troubles: Receives one line for each integration that could not be imported or queried.

    Returns:
        The first that recognises it; None if there is none, and for calculators of ASE's own, without
        querying.
    """
    troubles = [] if troubles is None else troubles
    if all(cls.__module__.partition(".")[0] in PLAIN for cls in type(calc).__mro__):
        return None
    for entry_point in installed():
        integration = _ask(entry_point, calc, troubles)
        if integration is not None:
            return integration
    return None


def build(spec: str) -> Any | None:
    """Return the calculator that an installed integration builds for a spec, or None if none recognises it.

    Args:
        spec: The user's text, such as `orb-v2:random`.

    Raises:
        ModelError: An integration recognises the spec, but the model cannot be built.
    """
    for entry_point in installed():
        calculator = getattr(entry_point.load(), "build", _knows_no_spec)(spec)
        if calculator is not None:
            return calculator
    return None


def _knows_no_spec(_: str) -> None:
    return None


@cache
def installed() -> tuple[metadata.EntryPoint, ...]:
    """Return the integrations of this Python environment by name, not yet imported."""
    return tuple(sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name))


def _ask(entry_point: metadata.EntryPoint, calc: Any, troubles: list[str]) -> Integration | None:
    try:
        integration: Integration = entry_point.load()
        return integration if integration.knows(calc) else None
    except Exception as error:
        if is_foreign(error):
            raise
        troubles.append(_trouble(entry_point.value, "skipped for", calc, error))
        return None


def _trouble(who: str, what: str, calc: Any, error: Exception) -> str:
    return f"integration {who} {what} {type(calc).__name__}: {type(error).__name__}: {error}"
