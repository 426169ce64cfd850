"""FeNNol: the real library and its real architectures, with random weights."""

import re
import time
from contextlib import contextmanager
from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.emt import EMT
from msgspec import UNSET

jax = pytest.importorskip("jax")
fennol_ase = pytest.importorskip("fennol.ase")

from tests.support import read_records  # noqa: E402 - after importorskip

from instrumented_calc import ProfiledCalculator, recording  # noqa: E402 - after the possible skip
from instrumented_calc.analysis.contractions.jax_modules import join_modules  # noqa: E402 - after importorskip
from instrumented_calc.capture.open_calls import Entry, active  # noqa: E402 - after importorskip
from instrumented_calc.capture.probes.jax_compile import JaxCompileProbe  # noqa: E402 - after importorskip
from instrumented_calc.capture.tracing.jax_tracer import JaxTracer  # noqa: E402 - after importorskip
from instrumented_calc.capture.tracing.slices import RANGE  # noqa: E402 - after importorskip
from instrumented_calc.capture.tracing.sums import sum_slices  # noqa: E402 - after importorskip
from instrumented_calc.errors import ModelError  # noqa: E402 - after importorskip
from instrumented_calc.integration import GROUP  # noqa: E402 - after importorskip
from instrumented_calc.journal.reader import read_journal  # noqa: E402 - after importorskip
from instrumented_calc_fennol import FeNNolCalculator, integration, random_model  # noqa: E402 - after importorskip
from instrumented_calc_fennol.timing import MODEL_FUNCTIONS  # noqa: E402 - after importorskip

DEVICE_LIST = ["inputs", "neighbour list", "overflow check"]


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    """Turn off XLA's optimisations: most of this file's time is compilation."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="session")
def ani(tmp_path_factory):
    return random_model(tmp_path_factory.mktemp("ani") / "tiny_ani.fnx", hidden=(16, 16))


@pytest.fixture(scope="session")
def crate(tmp_path_factory):
    return random_model(tmp_path_factory.mktemp("crate") / "tiny_crate.fnx", "crate", hidden=(16,))


@pytest.fixture
def calc(ani):
    return FeNNolCalculator(ani)


def ethanol():
    return molecule("CH3CH2OH")


def water():
    """Return 8 molecules in a periodic box, at a density of ice."""
    box = Atoms(pbc=True, cell=[6.4, 6.4, 6.4])
    for corner in np.ndindex(2, 2, 2):
        single = molecule("H2O")
        single.rotate(90 * sum(corner), "xyz"[sum(corner) % 3])
        single.translate(3.2 * np.array(corner))
        box += single
    return box


def moved(atoms, steps):
    """Return an atoms object at successive positions, so near that no list overflows."""
    for step in range(steps):
        atoms.rattle(2e-4, seed=step)
        yield atoms


@contextmanager
def timed(calc, ready=None):
    """Stand in for the parts as the core does; give the list of names in the order of their calls.

    Args:
        calc: The calculator.
        ready: Takes for each call that is waited for whether all that it returned was ready then.
    """
    entered, undo = [], []
    for part in integration.parts(calc):
        vars_of, attribute = vars(part.owner), part.attribute
        found, real = vars_of.get(attribute), getattr(part.owner, attribute)

        def stand_in(*args, real=real, part=part, **kwargs):
            entered.append(part.name)
            returned = real(*args, **kwargs)
            if part.wait is not None:
                part.wait(returned)
                if ready is not None:
                    arrays = [leaf for leaf in jax.tree.leaves(returned) if isinstance(leaf, jax.Array)]
                    ready.append(all(array.is_ready() for array in arrays))
            return returned

        vars_of[attribute] = stand_in
        undo.append((vars_of, attribute, found))
    try:
        yield entered
    finally:
        for vars_of, attribute, found in undo:
            if found is None:
                del vars_of[attribute]
            else:
                vars_of[attribute] = found


@contextmanager
def open_call():
    """Open a call in this thread as a recorder does, and yield a list of its compilations."""
    recorder = SimpleNamespace(clock=time.perf_counter_ns)
    entry = Entry(0, recorder)
    active.stack.append(entry)
    compile_ns = {}
    try:
        yield compile_ns
    finally:
        active.stack.remove(entry)
        if entry.extras is not UNSET:
            compile_ns.update(entry.extras["compile_ns"])


@pytest.mark.parametrize("make", [ethanol, water])
def test_parts_are_entered_and_change_no_bit(make, ani, calc):
    bare = fennol_ase.FENNIXCalculator(str(ani))  # a list's capacity is of the model: not shared
    expected = [(bare.get_forces(atoms), bare.get_potential_energy(atoms)) for atoms in moved(make(), 4)]
    ready = []
    with timed(calc, ready) as entered:
        for atoms, (forces, energy) in zip(moved(make(), 4), expected, strict=True):
            del entered[:]
            assert np.array_equal(calc.get_forces(atoms), forces)
            assert calc.get_potential_energy(atoms) == energy
    assert entered == [*DEVICE_LIST, "energy+forces"]
    assert ready
    assert all(ready)
    assert np.abs(forces).max() > 0


def test_a_part_waits_for_a_list_that_its_device_still_computes(calc):
    (part,) = (part for part in integration.parts(calc) if part.name == "neighbour list")
    slow = jax.jit(lambda matrix: matrix @ matrix @ matrix @ matrix)
    distances = slow(np.ones((1500, 1500), np.float32))
    assert not distances.is_ready()
    part.wait({"graph": {"d12": distances}})
    assert distances.is_ready()


def test_the_first_call_makes_its_list_on_the_host(calc):
    with timed(calc) as entered:
        calc.get_potential_energy(ethanol())
    assert entered == ["inputs", "neighbour list on host", "energy"]
    assert integration.counts(calc)["overflows"] == 0


def test_a_calculator_may_always_make_its_list_on_the_host(ani):
    calc = FeNNolCalculator(ani, gpu_preprocessing=False)
    with timed(calc) as entered:
        for atoms in moved(ethanol(), 2):
            calc.get_potential_energy(atoms)
    assert entered == ["inputs", "neighbour list on host", "energy"] * 2
    assert integration.describe(calc)["neighbour_list"] == "host"


def test_the_part_reports_which_properties_were_computed(calc):
    atoms = water()
    with timed(calc) as entered:
        for properties in (["energy"], ["forces"], ["energy", "stress"]):
            calc.calculate(atoms, properties, ["positions"])
    ran = [name for name in entered if name in MODEL_FUNCTIONS.values()]
    assert ran == ["energy", "energy+forces", "energy+forces+stress"]
    assert calc.results["stress"].shape == (6,)


@pytest.fixture
def only_fennol_installed(monkeypatch):
    """Have the core find this integration, whether or not the package is installed with it."""
    entry_point = metadata.EntryPoint("fennol", "instrumented_calc_fennol:integration", GROUP)
    monkeypatch.setattr("instrumented_calc.integration.installed", lambda: (entry_point,))


def test_a_profiled_calculator_computes_as_the_bare_one(ani, calc, tmp_path, only_fennol_installed):
    bare = fennol_ase.FENNIXCalculator(str(ani))
    expected = [bare.get_forces(atoms) for atoms in moved(ethanol(), 4)]
    twin = ProfiledCalculator(calc, journal=tmp_path / "run.jsonl")
    probe = JaxCompileProbe()
    for atoms, forces in zip(moved(ethanol(), 4), expected, strict=True):
        assert np.array_equal(twin.get_forces(atoms), forces)
    assert recording(twin).calls == 4
    recording(twin).close()
    probe.close()
    assert "process" not in vars(calc.model.preprocessing)
    assert "preprocess" not in vars(calc)
    records = read_records(tmp_path / "run.jsonl")
    recorded = records.of("lane")[0]["model"]
    assert recorded | integration.describe(calc) == recorded
    first, *others = records.calls
    assert set(first["components"]) == {"inputs", "neighbour list on host", "energy+forces"}
    assert 0 < first["compile_ns"]["energy_and_forces"] < first["components"]["energy+forces"]
    assert all("compile_ns" not in row for row in others[1:])
    for row in others:
        assert set(row["components"]) == {*DEVICE_LIST, "energy+forces"}
        assert sum(row["components"].values()) <= row["wall_ns"]
        assert row["counts"] == integration.counts(calc)


def test_contractions_of_each_execution_are_counted_with_their_equations_and_modules(
    crate, tmp_path, only_fennol_installed
):
    calc = FeNNolCalculator(crate)
    bare = FeNNolCalculator(crate)
    expected = [bare.get_forces(atoms) for atoms in moved(ethanol(), 4)]
    twin = ProfiledCalculator(calc, journal=tmp_path / "run.jsonl")
    for atoms, forces in zip(moved(ethanol(), 4), expected, strict=True):
        assert np.array_equal(twin.get_forces(atoms), forces)
    recording(twin).close()
    counters = read_records(tmp_path / "run.jsonl").counters
    assert counters["faults"] == 0
    found = [
        each
        for record in read_records(tmp_path / "run.jsonl").of("contractions")
        for each in record["contractions"]
    ]
    assert {each["library"] for each in found} == {"jax"}
    assert {each["component"] for each in found} == {"energy+forces"}
    assert sum(each["calls"] for each in found) == 4 * 19
    crates_own = [each for each in found if each.get("einsum") == "...i,...j,ijk->...k"]
    assert sum(each["calls"] for each in crates_own) == 4 * 8
    forward = [each for each in crates_own if each["scope"] == "FENNIXModules/embedding"]
    assert sum(each["calls"] for each in forward) == 4 * 4
    assert all("ns" not in seen for each in found for seen in each["operands"])  # JAX gives no time for them
    work = join_modules(read_journal(tmp_path / "run.jsonl"))
    assert sum(module.macs for module in work) * 2 == 1_652_032
    layers = {module.scope for module in work}
    assert {"FENNIXModules/energy/Layer_1", "FENNIXModules/energy/Layer_1 (backward)"} <= layers


def test_reading_the_contractions_of_a_warm_model_compiles_nothing(crate, tmp_path, only_fennol_installed):
    calc = FeNNolCalculator(crate)
    frames = [atoms.copy() for atoms in moved(ethanol(), 6)]
    for atoms in frames[:3]:
        calc.get_forces(atoms)
    events = []

    def listen(event, _, **details):
        if event.startswith("/jax/core/compile/"):
            events.append((event, details))

    jax.monitoring.register_event_duration_secs_listener(listen)
    twin = ProfiledCalculator(calc, journal=tmp_path / "run.jsonl")
    for atoms in frames[3:]:
        twin.get_forces(atoms)
    recording(twin).close()
    jax.monitoring.unregister_event_duration_listener(listen)
    assert events == []
    found = read_records(tmp_path / "run.jsonl").of("contractions")
    assert sum(each["calls"] for record in found for each in record["contractions"]) == 3 * 19


def test_each_of_the_models_functions_has_contractions_of_its_own(crate, tmp_path, only_fennol_installed):
    twin = ProfiledCalculator(FeNNolCalculator(crate), journal=tmp_path / "run.jsonl")
    for properties in (["energy"], ["forces"]):
        twin.calculate(ethanol(), properties, ["positions"])
    recording(twin).close()
    calls = {}
    for record in read_records(tmp_path / "run.jsonl").of("contractions"):
        for each in record["contractions"]:
            calls[each["component"]] = calls.get(each["component"], 0) + each["calls"]
    assert calls == {"energy": 10, "energy+forces": 19}


def test_a_trace_reports_the_time_of_the_models_modules(crate):
    calc = FeNNolCalculator(crate)
    *warm, last = [atoms.copy() for atoms in moved(ethanol(), 4)]
    for atoms in warm:
        calc.get_forces(atoms)
    tracer = JaxTracer()
    assert not tracer.is_taken()
    tracer.start()
    assert tracer.is_taken()
    with tracer.annotate(RANGE), timed(calc) as entered:
        calc.get_forces(last)
    sums = sum_slices(tracer.stop())
    assert not tracer.is_taken()
    assert entered == [*DEVICE_LIST, "energy+forces"]
    operations = {each.operation: each for each in sums.operations}
    assert operations["FENNIXModules/embedding/dot_general"].self_ns > 0
    assert any(name.startswith("FENNIXModules/embedding (backward)/") for name in operations)
    assert any(name.startswith("PjitFunction(energy_and_forces)") for name in operations)


def test_crate_runs_through_the_same_parts(crate):
    calc = FeNNolCalculator(crate)
    with timed(calc) as entered:
        for atoms in moved(ethanol(), 2):
            del entered[:]
            assert np.isfinite(calc.get_potential_energy(atoms))
    assert entered == [*DEVICE_LIST, "energy"]
    assert integration.describe(calc)["name"] == "tiny_crate"


def test_compilation_takes_the_first_two_calls_and_none_after(ani):
    # A margin of its own: the program that makes the list is shared by all chains that are equal.
    calc = FeNNolCalculator(ani, graph_config={"mult_size": 1.07})
    probe = JaxCompileProbe()
    times = []
    for atoms in moved(ethanol(), 5):
        began = time.perf_counter_ns()
        with open_call() as compile_ns:
            calc.get_potential_energy(atoms)
        assert sum(compile_ns.values()) <= time.perf_counter_ns() - began
        times.append(compile_ns)
    probe.close()
    assert times[0]["total_energy"] > 10_000_000
    assert "process" not in times[0]
    assert times[1]["process"] > 10_000_000
    assert "total_energy" not in times[1]
    assert times[2:] == [{}] * 3


def test_a_storm_of_overflows_is_counted_exactly(calc):
    flags = []
    chain = calc.model.preprocessing
    real = chain.check_reallocate

    def watched(*args):
        returned = real(*args)
        flags.append(returned[3])
        return returned

    vars(chain)["check_reallocate"] = watched
    atoms = water()
    found, compiled = [], []
    probe = JaxCompileProbe()
    for _ in range(41):
        before = len(flags)
        with open_call() as compile_ns:
            calc.get_potential_energy(atoms)
        found.append((integration.counts(calc), bool(flags[before:] and flags[-1])))
        compiled.append(compile_ns)
        atoms.set_cell(0.9975 * atoms.cell, scale_atoms=True)
    probe.close()
    overflowed = [flag for _, flag in found]
    assert [counts["overflows"] for counts, _ in found] == [int(flag) for flag in overflowed]
    assert sum(overflowed) >= 5
    assert all((counts["lists_rebuilt"] > 0) == flag for counts, flag in found)
    # One overflow is two slow calls: the model is compiled immediately, the list's program in the next.
    assert ["total_energy" in names for names in compiled] == [True, *overflowed[1:]]
    assert ["process" in names for names in compiled[2:]] == overflowed[1:-1]


def test_slots_are_the_shapes_that_programs_are_compiled_for(calc):
    assert integration.counts(calc) == {"overflows": 0, "lists_rebuilt": 0}
    for atoms in moved(ethanol(), 2):
        calc.get_potential_energy(atoms)
    graph, angular = (calc._fennol_inputs[key] for key in ("graph", "graph_angle"))
    counts = integration.counts(calc)
    assert counts["edge_slots"] == graph["d12"].shape[0]
    assert counts["edge_slots"] >= 9 * 8  # all pairs of ethanol are within the cutoff
    assert counts["angle_slots"] == angular["central_atom"].shape[0]
    assert counts["neighbour_slots"] == calc.model.preproc_state["layers_state"][2]["max_neigh"]


def test_a_loaded_model_is_described(calc):
    described = integration.describe(calc)
    assert described.pop("parameters") > 1008 * 16
    assert described == {
        "name": "tiny_ani",
        "library": f"FeNNol {metadata.version('fennol')}, jax {jax.__version__}",
        "dtype": "float32",
        "x64": False,
        "precision": "default",
        "device": "cpu:0",
        "compiled": True,
        "energy_terms": ["energy", "repulsion"],
        "cutoff_angstrom": 5.1,
        "neighbour_list": "device",
        "capacity_margin": 1.05,
    }


def test_options_reach_the_calculator_and_its_model(ani):
    calc = FeNNolCalculator(ani, graph_config={"mult_size": 1.5}, energy_terms=["repulsion"])
    described = integration.describe(calc)
    assert described["capacity_margin"] == 1.5
    assert described["energy_terms"] == ["repulsion"]


def test_a_model_of_unknown_origin_is_named_by_its_modules(ani):
    calc = fennol_ase.FENNIXCalculator(str(ani))
    assert integration.describe(calc)["name"] == "ANI_AEV + SPECIES_INDEX_NET + REPULSION_ZBL"


def test_a_float64_calculator_without_x64_is_reported_as_float32(calc):
    calc.dtype = "float64"
    assert integration.describe(calc)["dtype"] == "float32"


def test_functions_that_are_not_compiled_are_reported(calc):
    calc.model.set_energy_terms(["energy"], jit=False)
    assert integration.describe(calc)["compiled"] is False


def test_the_twin_is_known_and_other_calculators_are_not(calc):
    assert integration.knows(calc)
    assert integration.knows(ProfiledCalculator(calc))
    assert not integration.knows(EMT())


def test_specs_build_calculators(ani, tmp_path, monkeypatch):
    assert integration.describe(integration.build(f"fennol:{ani}"))["name"] == "tiny_ani"
    assert integration.build("orb-v2") is None
    models = tmp_path / "models"
    models.mkdir()
    (models / "ani2x.fnx").symlink_to(ani)
    monkeypatch.setenv("FENNOL_MODELS", str(models))
    assert integration.describe(integration.build("ani-2x"))["name"] == "ani2x"


@pytest.mark.parametrize("models", [None, "/nowhere"])
def test_a_named_model_whose_file_is_absent_says_where_to_put_it(models, monkeypatch, tmp_path):
    monkeypatch.delenv("FENNOL_MODELS", raising=False)
    places = str(tmp_path)
    if models is not None:
        monkeypatch.setenv("FENNOL_MODELS", models)
        places = f"{models} or {tmp_path}"
    pattern = f"ani-2x: no ani2x.fnx in {re.escape(places)}: put .* there, or set FENNOL_MODELS"
    with pytest.raises(ModelError, match=pattern) as caught:
        integration.build("ani-2x")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ModelError, match=r"^gone\.fnx: no such file: give the path of a FeNNol model"):
        FeNNolCalculator("gone.fnx")


@pytest.mark.parametrize("contents", [b"", b"hello", b"\x81\xa1a\x01"])
def test_a_file_that_is_not_a_model_is_refused_in_one_line(contents, tmp_path):
    path = tmp_path / "other.fnx"
    path.write_bytes(contents)
    with pytest.raises(ModelError, match=f"{re.escape(str(path))} cannot be loaded") as caught:
        FeNNolCalculator(path)
    assert "\n" not in str(caught.value)


def test_an_unknown_option_is_named(ani):
    with pytest.raises(ModelError, match="unexpected keyword argument 'skin'"):
        FeNNolCalculator(ani, skin=1.0)


def test_an_unknown_kind_of_random_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match="kind='mace': use one of ani, crate"):
        random_model(tmp_path / "mace.fnx", "mace")


def test_random_weights_depend_on_the_seed_alone(crate, tmp_path):
    same, other = (random_model(tmp_path / f"{seed}.fnx", "crate", seed, (16,)) for seed in (0, 1))
    assert same.read_bytes() == crate.read_bytes()
    assert other.read_bytes() != crate.read_bytes()
