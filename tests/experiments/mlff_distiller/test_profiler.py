"""The interface of the MLFF-Distiller profiler, without the faults of that profiler."""

import json
import time
import warnings

import msgspec
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from tests.support import read_records

from instrumented_calc import (
    MDProfiler,
    MDProfileResult,
    comparison_table,
    identify_hotspots,
    profile_md_trajectory,
)
from instrumented_calc.errors import ExperimentError
from instrumented_calc.experiments.mlff_distiller.from_journal import result_from_journal
from instrumented_calc.experiments.mlff_distiller.profiler import warn_of_growth
from instrumented_calc.experiments.mlff_distiller.recorded_result import RecordedProfile
from instrumented_calc.experiments.mlff_distiller.statistics import latency_statistics
from instrumented_calc.experiments.systems import build_system
from instrumented_calc.journal import records

# The fields of the other profiler's JSON files, in its order.
LEGACY = [
    "name",
    "model_name",
    "n_steps",
    "device",
    "latencies_ms",
    "mean_latency_ms",
    "median_latency_ms",
    "std_latency_ms",
    "min_latency_ms",
    "max_latency_ms",
    "p95_latency_ms",
    "p99_latency_ms",
    "energy_time_ms",
    "forces_time_ms",
    "stress_time_ms",
    "memory_initial_gb",
    "memory_final_gb",
    "memory_peak_gb",
    "memory_per_step_gb",
    "n_atoms",
    "system_size",
    "total_time_s",
    "steps_per_second",
    "timestamp",
    "notes",
]


class Lazy(Calculator):
    """Computes the energy when that is asked for, and forces with it only when those are."""

    implemented_properties = ("energy", "forces")

    def __init__(self, *, fails_at=None, first_s=0.0):
        super().__init__()
        self.asked = []
        self.sizes = []
        self.fails_at, self.first_s = fails_at, first_s

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if len(self.asked) == self.fails_at:
            message = "of the calculator"
            raise ArithmeticError(message)
        if not self.asked:
            time.sleep(self.first_s)
        self.asked.append(tuple(properties))
        self.sizes.append(len(self.atoms))
        self.results["energy"] = 0.0
        if "forces" in properties:
            self.results["forces"] = np.zeros((len(self.atoms), 3))


@pytest.fixture
def frames():
    """Give 30 frames of 8 copper atoms, each a little off the one before."""
    atoms = build_system("copper", 8).atoms
    frames = [atoms.copy() for _ in range(30)]
    for number, frame in enumerate(frames):
        frame.positions[0, 0] += 0.01 * number
    return frames


def test_the_result_has_every_field_that_users_know_and_keeps_their_order(frames):
    result = profile_md_trajectory(EMT(), frames)
    assert list(result.to_dict()) == LEGACY
    assert (result.n_steps, len(result.latencies_ms), result.n_atoms) == (30, 30, 8)
    assert result.min_latency_ms <= result.median_latency_ms <= result.p95_latency_ms <= result.max_latency_ms
    assert result.us_per_atom == pytest.approx(result.mean_latency_ms * 1000 / 8)
    assert result.steps_per_second == pytest.approx(30 / result.total_time_s)
    assert (result.name, result.device, result.system_size) == ("EMT", "cpu", "Cu8")


def test_its_25_fields_are_saved_and_loaded_without_loss_and_no_key_more(frames, tmp_path):
    path = tmp_path / "deep" / "result.json"
    result = profile_md_trajectory(EMT(), frames, output_file=path)
    assert list(json.loads(path.read_text(encoding="utf-8"))) == LEGACY
    loaded = MDProfileResult.load_json(path)
    assert loaded.to_dict() == result.to_dict()
    assert result.journal in loaded.notes


def test_a_file_of_the_other_profiler_can_be_loaded_even_with_unknown_keys(tmp_path):
    old = dict.fromkeys(LEGACY, 0.0) | {"name": "a", "model_name": "b", "device": "cuda", "n_steps": 1}
    old |= {"latencies_ms": [1.0], "memory_per_step_gb": [], "system_size": "4 atoms", "timestamp": ""}
    old |= {"notes": "", "stress_time_ms": None, "memory_peak_gb": None}
    old |= {"memory_final_gb": 0.02, "n_atoms": 4, "mean_latency_ms": 2.0, "energy_time_ms": 1.5, "more": 1}
    (tmp_path / "old.json").write_text(json.dumps(old), encoding="utf-8")
    result = MDProfileResult.load_json(tmp_path / "old.json")
    assert (result.memory_delta_gb, result.memory_stable, result.us_per_atom) == (0.02, False, 500.0)
    assert "Energy:          1.5000 ms" in result.summary()
    assert identify_hotspots(result)["components"]["energy"]["percentage"] == 75.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "is not readable as JSON"),
        ("[" * 100_000, "is not readable as JSON"),
        ("[]", "is not a profile"),
        ('{"name": "a"}', "is not a profile.*model_name"),
        ('{"name": 1}', "is not a profile.*name"),
    ],
)
def test_a_file_that_is_not_a_profile_is_reported_in_one_line(tmp_path, text, expected):
    (tmp_path / "r.json").write_text(text, encoding="utf-8")
    with pytest.raises(ExperimentError, match=expected) as caught:
        MDProfileResult.load_json(tmp_path / "r.json")
    assert "\n" not in str(caught.value)
    with pytest.raises(ExperimentError, match="cannot be read"):
        MDProfileResult.load_json(tmp_path / "none.json")


def test_compared_calculators_are_one_result_each_and_one_that_fails_is_named(frames):
    calculators = {"good": EMT(), "bad": Lazy(fails_at=3), "other": Lazy()}
    with pytest.warns(RuntimeWarning, match="bad was skipped: .*frame 3 of 37.*of the calculator"):
        results = MDProfiler(warmup_steps=7).compare_calculators(calculators, frames)
    assert list(results) == ["good", "other"]
    table = comparison_table(results).splitlines()
    assert "1.00x" in table[1]
    assert table[2].startswith("other")


def test_hotspots_have_their_keys_and_our_verdicts_beside(frames):
    result = profile_md_trajectory(EMT(), frames)
    result.memory_verdict = "clear (no growth)"
    found = identify_hotspots(result)
    assert {"summary", "total_time_ms", "components", "recommendations"} < set(found)
    assert found["verdicts"] == {"memory": "clear (no growth)"}
    assert set(found["parts"]["other"]) == {"time_ms", "percentage", "is_hotspot"}


def test_frames_of_different_sizes_are_counted_each(frames):
    mixed = [*frames[:5], build_system("copper", 13).atoms]
    result = profile_md_trajectory(EMT(), mixed)
    assert (result.n_atoms, result.us_per_atom, result.n_steps) == (None, None, 6)
    assert "different between frames" in result.summary()


def component_journal(path, groups, device="cpu"):
    """Write the journal of a model with parts: one ms of energy and nine of forces in each of 20 calls."""
    parts = {"readout": 1_000_000, "backward": 9_000_000}
    made = [
        records.RunStart(schema=records.SCHEMA, run_id="r", started="2026", pid=1, version="0"),
        records.Lane(
            lane=0, calculator="m.M", seen_by="twin", n_atoms=4, groups=groups, model={"device": device}
        ),
    ]
    made += [
        records.Call(
            index=k, lane=0, start_ns=k * 2 * 10**7, wall_ns=10**7 + 5 * 10**5, n_atoms=4, components=parts
        )
        for k in range(20)
    ]
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in made))
    return path


def memory_journal(path, samples):
    """Write a journal with one call of 10 ms for each sample, a dictionary of sampled fields."""
    made = [
        records.RunStart(schema=records.SCHEMA, run_id="r", started="2026", pid=1, version="0"),
        records.Lane(lane=0, calculator="m.M", seen_by="twin", n_atoms=4),
    ]
    made += [
        records.Call(index=k, lane=0, start_ns=k * 2 * 10**7, wall_ns=10**7, n_atoms=4, **sample)
        for k, sample in enumerate(samples)
    ]
    path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in made))
    return path


def test_frames_in_which_something_was_compiled_are_kept_apart(tmp_path):
    path = component_journal(tmp_path / "r.jsonl", {})
    lines = path.read_bytes().splitlines()
    slow = msgspec.json.decode(lines[12], type=records.Call)
    slow.wall_ns, slow.compile_ns = 15_000_000, {"energy": 14_000_000}
    path.write_bytes(b"\n".join([*lines[:12], msgspec.json.encode(slow), *lines[13:]]) + b"\n")
    result = result_from_journal(path)
    assert (result.n_steps, len(result.latencies_ms), result.max_latency_ms) == (20, 19, 10.5)
    assert (result.compiled_frames, result.compiled_ms) == (1, 15.0)
    assert "15.0000 ms in 1 frames" in result.summary()


def result_of(latencies, kind=RecordedProfile, **changes):
    found = {f"{name}_latency_ms": value for name, value in latency_statistics(latencies).items()}
    return kind("a", "b", len(latencies), "cpu", latencies, **(found | changes))


LEAKY = {"memory_initial_gb": 1.0, "memory_final_gb": 1.02}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (result_of([1.0] * 50), []),
        (result_of([1.0, 2.0] * 25), ["High latency variance: standard deviation 33.7 %"]),
        (result_of([1.0] * 49 + [3.0]), ["High latency variance", "Long latency tail: P99 is 2.9 times"]),
        (result_of([1.0] * 9 + [90.0]), []),
        (result_of([1.0] * 50, stress_time_ms=0.3), ["Stress takes 30.0 %"]),
        (
            result_of([1.0] * 50, energy_time_ms=0.2, forces_time_ms=0.6),
            ["Energy takes 20.0 % of a step (threshold 10 %)", "Forces takes 60.0 %"],
        ),
        (result_of([1.0] * 50, **LEAKY, memory_verdict="clear (flat)"), []),
        (
            result_of([1.0] * 50, **LEAKY, memory_verdict="not enough evidence (few)"),
            ["Memory leak possible"],
        ),
        (result_of([1.0] * 50, memory_verdict="flagged (grows)"), ["Memory leak: growth flagged (grows)"]),
    ],
)
def test_recommendations_from_a_journal_are_our_own_judgement(result, expected):
    found = identify_hotspots(result)["recommendations"]
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True))


class TestFaultsOfTheOtherProfiler:
    @pytest.mark.parametrize("order", [("energy", "forces"), ("forces", "energy"), ("stress", "energy")])
    def test_01_what_one_pass_computes_is_not_split_whatever_the_order_of_questions(self, frames, order):
        result = profile_md_trajectory(EMT(), frames, properties=order)
        assert (result.energy_time_ms, result.forces_time_ms, result.stress_time_ms) == (None, None, None)
        assert "not separable" in result.summary()
        assert identify_hotspots(result)["components"] == {}

    def test_01_parts_that_are_wholly_energy_or_forces_are_distinguished(self, tmp_path):
        journal = component_journal(tmp_path / "r.jsonl", {"readout": "energy", "backward": "forces"})
        result = result_from_journal(journal)
        assert (result.energy_time_ms, result.forces_time_ms, result.stress_time_ms) == (1.0, 9.0, None)
        assert result.parts_ms == {"backward": 9.0, "readout": 1.0, "other": pytest.approx(0.5)}
        found = identify_hotspots(result, threshold_pct=50.0)["components"]
        assert (found["forces"]["is_hotspot"], found["energy"]["is_hotspot"]) == (True, False)

    def test_01_host_times_of_a_model_on_a_device_are_not_labelled_as_times_of_its_parts(self, tmp_path):
        groups = {"readout": "energy", "backward": "forces"}
        result = result_from_journal(component_journal(tmp_path / "r.jsonl", groups, "cuda:0"))
        assert (result.energy_time_ms, result.device) == (None, "cuda:0")

    def test_02_a_calculator_is_called_once_a_frame_and_asked_for_forces_as_dynamics_asks(self, frames):
        calc = Lazy()
        result = MDProfiler(warmup_steps=10).profile_calculator(calc, frames)
        assert len(calc.asked) == 40
        assert set(calc.asked) == {("forces",)}
        assert (result.calculations, result.n_steps) == (30, 30)

    def test_03_warm_up_frames_lead_to_the_first_frame_in_small_moves(self, frames):
        class Moves(Lazy):
            def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
                places.append(atoms.positions.copy())
                super().calculate(atoms, properties, system_changes)

        places = []
        MDProfiler(warmup_steps=10).profile_calculator(Moves(), frames)
        assert np.abs(np.diff(places, axis=0)).max() == pytest.approx(0.01)

    def test_04_figures_are_per_atom_that_was_computed(self):
        system = build_system("silicon", 33)
        result = MDProfiler(warmup_steps=0).profile_calculator(Lazy(), [system.atoms])
        assert result.n_atoms == len(system.atoms) == 32
        assert result.us_per_atom == result.mean_latency_ms * 1000 / 32

    def test_09_frames_that_are_all_the_same_are_not_profiled_from_the_cache(self, frames):
        with pytest.raises(ExperimentError, match="equal the previous frame"):
            profile_md_trajectory(EMT(), [frames[0]] * 5)

    def test_05_memory_of_the_host_is_measured(self, frames):
        result = MDProfiler(warmup_steps=0).profile_calculator(Lazy(), frames)
        assert result.memory_source == "host resident"
        assert 0 < result.memory_initial_gb <= result.memory_peak_gb
        assert len(result.memory_per_step_gb) >= 1

    def test_05_device_memory_that_is_not_used_does_not_hide_that_of_the_host(self, tmp_path):
        samples = [{"rss_bytes": 2**30, "device_allocated_bytes": 0}] * 100
        result = result_from_journal(memory_journal(tmp_path / "r.jsonl", samples))
        assert (result.memory_source, result.memory_final_gb) == ("host resident", 1.0)
        samples[-1] = {"rss_bytes": 2**30, "device_allocated_bytes": 2**29}
        result = result_from_journal(memory_journal(tmp_path / "r.jsonl", samples))
        assert (result.memory_source, result.memory_final_gb) == ("device allocated", 0.5)

    def test_06_a_leak_is_judged_by_its_course_recommended_and_warned_of(self, tmp_path):
        leak = [{"rss_bytes": 2**30 + 2**20 * k} for k in range(100)]
        result = result_from_journal(memory_journal(tmp_path / "r.jsonl", leak), name="leaky")
        assert result.memory_delta_gb * 1024 == pytest.approx(99)
        assert not result.memory_stable
        assert len(result.memory_per_step_gb) == 100
        assert "growth flagged" in result.summary()
        reported = identify_hotspots(result)["recommendations"]
        assert any(line.startswith("Memory leak: growth flagged") for line in reported)
        with pytest.warns(RuntimeWarning, match="leaky: host resident memory grows: flagged"):
            warn_of_growth(result)

    def test_06_a_single_jump_is_not_a_leak(self, tmp_path):
        jump = [{"rss_bytes": 2**30 + (20 * 2**20 if k > 30 else 0)} for k in range(10_000)]
        result = result_from_journal(memory_journal(tmp_path / "r.jsonl", jump))
        assert not result.memory_stable
        assert result.memory_verdict.startswith("clear")
        assert identify_hotspots(result)["recommendations"] == []
        with warnings.catch_warnings(record=True) as caught:
            warn_of_growth(result)
        assert caught == []

    def test_06_samples_of_warm_up_count_only_without_others(self, tmp_path):
        samples = [{"rss_bytes": 2**30}, {"rss_bytes": 2**29}, {}, {}]
        result = result_from_journal(memory_journal(tmp_path / "r.jsonl", samples), warmup=2)
        assert result.memory_per_step_gb == [0.5]

    def test_06_memory_that_falls_is_not_a_leak(self):
        falling = result_of([1.0], MDProfileResult, memory_initial_gb=0.2, memory_final_gb=0.1)
        assert not falling.memory_stable
        assert "memory decreased by 102.40 MiB" in falling.summary()
        assert identify_hotspots(falling)["recommendations"] == []

    def test_07_the_first_call_is_kept_and_kept_apart(self, frames):
        result = MDProfiler(warmup_steps=5).profile_calculator(Lazy(first_s=0.2), frames)
        assert result.first_call_ms >= 200
        assert result.first_call_ms not in result.latencies_ms
        assert (result.warmup_frames, result.n_steps) == (5, 30)
        assert result.warmup_ms >= result.first_call_ms

    def test_08_what_was_measured_before_a_failure_is_kept(self, frames, tmp_path):
        profiler = MDProfiler(warmup_steps=0, journal_dir=tmp_path / "kept")
        with pytest.raises(ExperimentError, match=r"frame 20 of 30.*ArithmeticError.*kept/run\.jsonl"):
            profiler.profile_calculator(Lazy(fails_at=20), frames)
        assert result_from_journal(tmp_path / "kept" / "run.jsonl").n_steps == 21
        assert len(read_records(tmp_path / "kept" / "run.jsonl").calls) == 21

    def test_09_a_property_that_the_calculator_lacks_is_an_error(self, frames):
        with pytest.raises(ExperimentError, match="EMT cannot compute dipole; it computes energy, "):
            profile_md_trajectory(EMT(), frames, properties=["dipole"])

    def test_09_stress_alone_is_profiled(self, frames):
        result = profile_md_trajectory(EMT(), frames, properties=["stress"])
        assert result.calculations == 30

    @pytest.mark.parametrize("trajectory", [[], [Atoms()]])
    def test_09_an_empty_trajectory_is_one_line(self, trajectory):
        with pytest.raises(ExperimentError, match="has no") as caught:
            profile_md_trajectory(EMT(), trajectory)
        assert "\n" not in str(caught.value)

    def test_09_the_device_is_the_one_that_computed(self, frames):
        result = profile_md_trajectory(EMT(), frames, device="cuda")
        assert result.device == "cpu"
        assert "device 'cuda' was given, but the model was not found there" in result.notes

    def test_10_percentiles_are_values_that_occurred(self):
        found = latency_statistics([1.0] * 49 + [100.0])
        assert (found["p95"], found["p99"]) == (1.0, 100.0)
        assert found["std"] == pytest.approx(np.std([1.0] * 49 + [100.0], ddof=1))

    def test_10_the_frame_of_the_longest_latency_is_reported(self, tmp_path):
        path = component_journal(tmp_path / "r.jsonl", {})
        lines = path.read_bytes().splitlines()
        slow = msgspec.json.decode(lines[16], type=records.Call)
        slow.wall_ns = 19_000_000
        path.write_bytes(b"\n".join([*lines[:16], msgspec.json.encode(slow), *lines[17:]]) + b"\n")
        result = result_from_journal(path)
        assert (result.slowest_frame, result.max_latency_ms) == (14, 19.0)
        assert "Slowest:     frame 14" in result.summary()
        assert result_from_journal(path, warmup=4).slowest_frame == 10

    def test_13_a_saved_result_has_the_same_tail_and_unit_when_it_is_loaded(self, frames, tmp_path):
        result = profile_md_trajectory(EMT(), frames, output_file=tmp_path / "r.json")
        loaded = MDProfileResult.load_json(tmp_path / "r.json")
        assert loaded.p99_latency_ms == result.p99_latency_ms
        assert loaded.memory_per_step_gb == result.memory_per_step_gb

    def test_15_neither_calculator_nor_frames_are_changed(self, frames):
        calc = EMT()
        calls = type(calc).calculate
        before = [frame.positions.copy() for frame in frames]
        profile_md_trajectory(calc, frames)
        assert type(calc) is EMT
        assert type(calc).calculate is calls
        assert all(frame.calc is None for frame in frames)
        assert all((frame.positions == place).all() for frame, place in zip(frames, before, strict=True))


def test_nothing_is_printed(frames, capsys):
    profile_md_trajectory(EMT(), frames)
    assert capsys.readouterr() == ("", "")


def test_switched_off_it_reports_it(frames, monkeypatch):
    monkeypatch.setenv("INSTRUMENTED_CALC", "off")
    with pytest.raises(ExperimentError, match="nothing would be recorded"):
        profile_md_trajectory(EMT(), frames)
