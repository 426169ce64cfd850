"""Behaviour that users of the MLFF-Distiller profiler rely on, as its documents and tests describe it."""

import json
from dataclasses import fields

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes

from instrumented_calc import MDProfiler, MDProfileResult, identify_hotspots, profile_md_trajectory
from instrumented_calc.experiments.mlff_distiller.recorded_result import RecordedProfile
from instrumented_calc.intake.checks.mlff_distiller import component_split
from instrumented_calc.intake.reading.study_data import StudyData

REQUIRED = {
    "name": "by hand",
    "model_name": "Model",
    "n_steps": 10,
    "device": "cpu",
    "latencies_ms": [1.0] * 10,
    "mean_latency_ms": 1.0,
    "median_latency_ms": 1.0,
    "std_latency_ms": 0.1,
    "min_latency_ms": 0.9,
    "max_latency_ms": 1.1,
    "p95_latency_ms": 1.05,
    "p99_latency_ms": 1.08,
}
DEFAULTS = {
    "energy_time_ms": None,
    "forces_time_ms": None,
    "stress_time_ms": None,
    "memory_initial_gb": 0.0,
    "memory_final_gb": 0.0,
    "memory_peak_gb": 0.0,
    "memory_per_step_gb": [],
    "n_atoms": None,
    "system_size": None,
    "total_time_s": 0.0,
    "steps_per_second": 0.0,
    "timestamp": "",
    "notes": "",
}


class Counting(Calculator):
    """Computes all properties in each call, and counts its calls."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self):
        super().__init__()
        self.calls = 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.calls += 1
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3)), "stress": np.zeros(6)}


def by_hand(**changes):
    return MDProfileResult(**(REQUIRED | changes))


@pytest.fixture
def frames(monkeypatch, tmp_path):
    """Give ten frames of silicon that all differ; journals go to the test's own folder."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    frames = [bulk("Si", "diamond", a=5.43) for _ in range(10)]
    for seed, frame in enumerate(frames):
        frame.rattle(0.01, seed=seed)
    return frames


@pytest.fixture(params=["cpu", "torch.device('cpu')"])
def device(request):
    """Give the CPU by name and as torch's own object."""
    return request.param if request.param == "cpu" else pytest.importorskip("torch").device("cpu")


class TestResultsMadeByHand:
    def test_it_has_the_25_fields_with_their_defaults(self):
        result = by_hand()
        assert result.to_dict() == REQUIRED | DEFAULTS
        assert [each.name for each in fields(MDProfileResult)] == [*REQUIRED, *DEFAULTS]

    def test_the_memory_delta_is_last_minus_first(self):
        assert by_hand().memory_delta_gb == 0.0
        result = by_hand(memory_initial_gb=1.0, memory_final_gb=1.05)
        assert result.memory_delta_gb == pytest.approx(0.05)

    def test_memory_is_stable_below_10_mib_and_follows_a_changed_field(self):
        result = by_hand(memory_initial_gb=1.0, memory_final_gb=1.005)
        assert result.memory_stable is True
        result.memory_final_gb = 1.02
        assert result.memory_stable is False

    def test_time_per_atom_is_in_microseconds(self):
        assert by_hand(n_atoms=100).us_per_atom == 10.0
        assert by_hand().us_per_atom is None

    def test_its_summary_has_the_labels_of_the_documents(self):
        result = by_hand(
            n_atoms=100,
            steps_per_second=1000.0,
            total_time_s=0.01,
            memory_initial_gb=1.0,
            memory_final_gb=1.005,
            memory_peak_gb=1.2,
            forces_time_ms=0.7,
        )
        reported = result.summary()
        for label, value in {
            "MD profile": "by hand",
            "Model": "Model",
            "Device": "cpu",
            "Trajectory steps": "10",
            "System size": "100 atoms",
            "Mean": "1.0000 ms +- 0.1000",
            "Median": "1.0000 ms",
            "Min": "0.9000 ms",
            "Max": "1.1000 ms",
            "P95": "1.0500 ms",
            "P99": "1.0800 ms",
            "Per atom": "10.0000 us/atom",
            "Forces": "0.7000 ms",
            "Steps/sec": "1000.0",
            "Total time": "0.01 s",
            "Initial": "1.0000",
            "Final": "1.0050",
            "Delta": "+0.0050",
            "Peak": "1.2000",
            "Status": "stable (last sample within 10 MiB of the first)",
        }.items():
            [line] = [each for each in reported.splitlines() if each.strip().startswith(f"{label}:")]
            assert line.partition(":")[2].strip() == value
        assert max(map(len, reported.splitlines())) <= 80

    def test_a_path_in_its_notes_is_not_broken(self):
        path = "/scratch/profiles/of-the-models/instrumented-calc-j_ba3zx3/run.jsonl"
        assert path in by_hand(notes=f"recorded in the journal {path}").summary().splitlines()

    def test_its_summary_warns_of_memory_growth_and_invents_no_values(self):
        reported = by_hand(memory_initial_gb=1.0, memory_final_gb=1.02).summary()
        assert "WARNING: memory increased by 20.48 MiB" in reported
        bare = by_hand().summary()
        assert "Component" not in bare
        assert bare.count("not measured") == 3

    def test_its_dictionary_holds_lists_and_numbers_only(self):
        result = by_hand(latencies_ms=np.array([1.0, 2.0]), mean_latency_ms=np.float32(1.5))
        assert json.loads(json.dumps(result.to_dict()))["latencies_ms"] == [1.0, 2.0]

    def test_it_is_saved_and_loaded(self, tmp_path):
        result = by_hand(system_size="2 atoms", memory_per_step_gb=[1.0, 1.5])
        result.save_json(tmp_path / "reports" / "profile.json")
        assert MDProfileResult.load_json(tmp_path / "reports" / "profile.json") == result

    def test_saved_where_no_file_can_be_it_says_so_in_one_line(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(ValueError, match=r"cannot be written.*give another path") as caught:
            by_hand().save_json(tmp_path / "file" / "profile.json")
        assert "\n" not in str(caught.value)


class TestProfiling:
    def test_the_profiler_keeps_its_arguments(self, device):
        profiler = MDProfiler(device=device)
        assert (profiler.device, profiler.profile_memory, profiler.warmup_steps) == (device, True, 10)

    def test_every_frame_is_calculated_and_has_a_latency(self, device, frames):
        calc = Counting()
        profiler = MDProfiler(device=device, warmup_steps=2)
        result = profiler.profile_calculator(calc, frames, properties=["energy", "forces"], name="mine")
        assert isinstance(result, MDProfileResult)
        assert (result.name, result.n_steps, len(result.latencies_ms)) == ("mine", 10, 10)
        assert result.mean_latency_ms > 0
        assert calc.calls == 12
        assert result.device == "cpu"
        assert "was given" not in result.notes

    def test_memory_is_measured_however_short_the_run(self, device, frames):
        result = MDProfiler(device=device).profile_calculator(Counting(), frames, properties=["energy"])
        assert result.memory_measured
        assert 0 < result.memory_initial_gb <= result.memory_peak_gb
        assert 0 < result.memory_final_gb <= result.memory_peak_gb
        unmeasured = MDProfiler(device=device, profile_memory=False).profile_calculator(Counting(), frames)
        assert not unmeasured.memory_measured
        assert "Status:      not measured" in unmeasured.summary()

    def test_several_calculators_are_compared_by_name(self, device, frames):
        profiler = MDProfiler(device=device, warmup_steps=2)
        results = profiler.compare_calculators(
            {"first": Counting(), "second": Counting()}, frames, properties=["energy"]
        )
        assert list(results) == ["first", "second"]
        assert [each.name for each in results.values()] == ["first", "second"]

    def test_the_function_profiles_as_the_class_does(self, device, frames):
        result = profile_md_trajectory(Counting(), frames, device=device, properties=["energy"])
        assert isinstance(result, MDProfileResult)
        assert result.n_steps == 10

    def test_the_function_saves_a_file_that_the_other_profiler_can_load(self, device, frames, tmp_path):
        path = tmp_path / "profile.json"
        profile_md_trajectory(Counting(), frames, device=device, output_file=path)
        stored = json.loads(path.read_text(encoding="utf-8"))
        assert stored["n_steps"] == 10
        # That profiler hands the keys to its constructor, which takes these and no others.
        assert list(stored) == [*REQUIRED, *DEFAULTS]

    def test_another_device_is_reported_whatever_form_it_has(self, frames):
        torch = pytest.importorskip("torch")
        for given in ("cuda:1", torch.device("cuda", 1)):
            result = MDProfiler(device=given).profile_calculator(Counting(), frames)
            assert result.device == "cpu"
            assert "device 'cuda:1' was given, but the model was not found there" in result.notes

    def test_a_torch_model_is_found_on_the_device_it_was_given(self, frames):
        torch = pytest.importorskip("torch")
        calc = Counting()
        calc.model = torch.nn.Linear(2, 2)
        result = MDProfiler(device=torch.device("cpu")).profile_calculator(calc, frames)
        assert result.device == "cpu"
        assert "was given" not in result.notes

    def test_memory_of_a_device_that_the_calculator_does_not_use_hides_no_host_memory(self, frames, tmp_path):
        result = MDProfiler(journal_dir=tmp_path / "kept").profile_calculator(Counting(), frames)
        assert result.memory_source == "host resident"
        assert isinstance(result, RecordedProfile)


class TestHotspotsOfTotals:
    def test_components_above_the_threshold_are_hotspots(self):
        result = by_hand(mean_latency_ms=10.0, energy_time_ms=2.0, forces_time_ms=7.0, stress_time_ms=0.5)
        found = identify_hotspots(result, threshold_pct=10.0)
        assert set(found) >= {"summary", "total_time_ms", "components", "recommendations"}
        assert found["total_time_ms"] == 10.0
        assert found["components"]["energy"] == {"time_ms": 2.0, "percentage": 20.0, "is_hotspot": True}
        assert found["components"]["forces"]["is_hotspot"] is True
        assert found["components"]["stress"]["is_hotspot"] is False
        energy, forces = found["recommendations"]
        assert "optimize" not in energy
        assert forces.startswith("Forces takes 70.0 % of a step")
        assert forces.endswith("optimize this first")
        assert identify_hotspots(result, threshold_pct=1.0)["components"]["stress"]["is_hotspot"] is True

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"memory_initial_gb": 1.0, "memory_final_gb": 1.02}, "Memory leak"),
            ({"mean_latency_ms": 10.0, "std_latency_ms": 3.0}, "High latency variance"),
            ({"p99_latency_ms": 2.5}, "Long latency tail: P99 is 2.5 times the mean"),
            ({"stress_time_ms": 0.3}, "Stress takes 30.0 %"),
        ],
    )
    def test_each_rule_of_the_documents_has_its_recommendation(self, changes, expected):
        [recommendation] = identify_hotspots(by_hand(**changes))["recommendations"]
        assert recommendation.startswith(expected)

    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"memory_initial_gb": 1.0, "memory_final_gb": 1.009},
            {"mean_latency_ms": 10.0, "std_latency_ms": 2.0},
            {"p99_latency_ms": 2.0},
            {"energy_time_ms": 0.1},
            {"mean_latency_ms": 0.0},
        ],
    )
    def test_at_its_threshold_a_rule_is_silent(self, changes):
        found = identify_hotspots(by_hand(**changes))
        assert found["recommendations"] == []
        assert found["verdicts"] == {}

    def test_numpy_numbers_give_plain_truth(self):
        found = identify_hotspots(by_hand(energy_time_ms=np.float64(0.5)))["components"]["energy"]
        assert found["is_hotspot"] is True


def test_our_saved_components_are_not_taken_for_those_of_cached_requests(tmp_path):
    split = {"energy_time_ms": 0.03, "forces_time_ms": 0.95}
    ours, theirs = by_hand(notes="recorded by instrumented-calc in run.jsonl", **split), by_hand(**split)
    evidence = StudyData(profiles={"ours": ours.to_dict(), "theirs": theirs.to_dict()})
    assert str(component_split(evidence)).count("95 %") == 1
