"""Tables of every published shape become the same measurements."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumented_calc.intake.archives.memory_limit import Room
from instrumented_calc.intake.reading.tables import read_log, read_metrics, read_table, read_workloads


@pytest.fixture
def table(tmp_path):
    def of(text: str | bytes):
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_table(path, "bundle/table.csv", Room())

    return of


def test_the_full_table_of_timings(table):
    read = table(
        "file,mode,rep,N,species_unique,wall_s,compute_s,conv_in_s,conv_out_s,time_per_N2\n"
        "one.xyz,torch_mixed,1,24,1,0.0017,0.0014,0.0002,3.5e-06,2.9e-06\n"
    )
    (found,) = read.measurements
    assert (found.system, found.mode, found.rep, found.n_atoms, found.species) == (
        "one",
        "torch_mixed",
        1,
        24,
        1,
    )
    assert (found.wall_s, found.compute_s, found.conv_in_s, found.conv_out_s) == (
        0.0017,
        0.0014,
        0.0002,
        3.5e-6,
    )
    assert found.time_per_n2 == 2.9e-6


def test_the_compact_table_has_no_header_and_a_wall_time_may_be_missing(table):
    read = table("benzenes_numpy,benzenes.xyz,numpy,0.242\nbenzenes_torch,benzenes.xyz,torch,NA\n")
    assert [(each.file, each.mode, each.wall_s) for each in read.measurements] == [
        ("benzenes.xyz", "numpy", 0.242),
        ("benzenes.xyz", "torch", None),
    ]


def test_timings_without_their_first_line(table):
    read = table("one.xyz,numpy_only,1,24,1,1e-4,9e-5,0,0,1.7e-7\n")
    assert read.measurements[0].compute_s == 9e-5


def test_missing_columns_and_cells_are_absent_not_zero(table):
    read = table("file,mode,wall_s,N,species\none_species,numpy,0.49,,1.0\none_species,torch,0.5\n")
    first, second = read.measurements
    assert (first.n_atoms, first.species, first.compute_s) == (None, 1, None)
    assert second.species is None


@pytest.mark.parametrize("alias", ["wall_s", "wall", "time_s", "wall_time", "elapsed", "Elapsed_S"])
def test_the_wall_time_has_many_names(table, alias):
    assert table(f"\ufefffile,mode,{alias}\na.xyz,numpy,2\n").measurements[0].wall_s == 2


def test_a_summary_is_reported_by_its_columns(table):
    read = table("file,mode,N,species,runs,wall_mean,wall_std,tN2_mean\na.xyz,numpy,24,2,3,7e-4,3e-5,1e-6\n")
    assert not read.measurements
    assert (read.summaries[0].runs, read.summaries[0].wall_std) == (3, 3e-5)


def test_rows_that_cannot_be_read_are_counted_and_named(table):
    read = table("file,mode,wall_s,N\na,numpy,1,2\na,numpy,fast,2\na,numpy,1,2.5\n,numpy,1,2\n")
    assert len(read.measurements) == 1
    assert read.bad_rows == 3
    assert read.problems[0].startswith("line 3: could not convert")
    assert table("some,other,table\n1,2,3\n").bad_rows == 1


def test_values_that_are_not_times_are_kept_for_the_check(table):
    walls = [each.wall_s for each in table("file,mode,wall_s\na,x,inf\na,x,nan\na,x,-1\n").measurements]
    assert walls[0] == math.inf
    assert math.isnan(walls[1])


@given(
    raw=st.one_of(
        st.binary(max_size=300), st.text(alphabet='file,mode\n"0.1eNA', max_size=300).map(str.encode)
    )
)
def test_no_bytes_whatever_stop_the_reader(raw, tmp_path_factory):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_bytes(raw)
    read_table(path, "b/t.csv", Room())
    path.write_bytes(b"file,mode,wall_s,N\n" + raw)
    read_table(path, "b/t.csv", Room())
    read_log(path, "b/t.out", Room())


def test_a_record_of_one_process():
    found = {"xyz": "benzenes.xyz", "mode": "torch", "returncode": 1, "elapsed_s": 0.2, "max_rss_kb": 43584}
    (each,) = read_metrics(
        {**found, "inblock": 368}, "b/*.metrics.json", "benzenes_torch.metrics.json"
    ).measurements
    assert (each.system, each.wall_s, each.returncode, each.inblock) == ("benzenes", 0.2, 1, 368)
    nameless = {"mode": "torch", "wall_s": 0.2, "returncode": 0}
    assert read_metrics(nameless, "t", "benzenes_torch.metrics.json").measurements[0].file == "benzenes"
    assert read_metrics({"mode": [1], "wall_s": {}}, "t", "x.json").bad_rows == 1


def test_a_cell_of_our_own_experiment_reports_its_operations():
    cell = {
        "file": "a.xyz",
        "mode": "torch_mixed",
        "rep": 2,
        "tag": "float64 cpu eager",
        "wall_s": 0.5,
        "warmups": 3,
        "executed": {
            "torch_loaded": True,
            "numpy_contractions": 7,
            "torch_contractions": 0,
            "torch_operations": None,
            "peak_rss_bytes": 300 * 2**20,
            "effective": {"openblas": 1, "torch": 1},
            "blocks_read": 8,
        },
    }
    (found,) = read_metrics(cell, "b/records of processes", "a.json").measurements
    assert found.executed == "numpy"
    assert (found.max_rss_kb, found.threads, found.inblock) == (307_200, "1", 8)
    assert found.warmed_up
    cell["executed"]["torch_operations"] = 12
    assert read_metrics(cell, "b/t", "a.json").measurements[0].executed == "torch and numpy"


def test_workloads_of_the_torch_port():
    found = {
        "workloads": [
            {"name": "benzenes", "upstream_seconds": 10.0, "optimized_seconds": 2.5},
            {"name": "ellipsoids", "all_seconds": [0.3, 0.2, 0.25]},
            "nonsense",
        ]
    }
    read = read_workloads(found, "b/results.json")
    assert [(each.file, each.mode, each.rep, each.wall_s) for each in read.measurements] == [
        ("benzenes", "upstream", None, 10.0),
        ("benzenes", "optimized", None, 2.5),
        ("ellipsoids", "benchmark", 1, 0.3),
        ("ellipsoids", "benchmark", 2, 0.2),
        ("ellipsoids", "benchmark", 3, 0.25),
    ]
    assert read.bad_rows == 1


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (["Normal termination (return value 0)"] * 2, "return value 0"),
        (["Normal termination (return value 0)", "Normal termination (return value 3)"], "return value 3"),
        (["Abnormal termination (signal 9)", "Normal termination (return value 0)"], "signal 9"),
    ],
)
def test_htcondor_s_log_reports_how_its_jobs_ended(tmp_path, ends, said):
    path = tmp_path / "cluster_1.log"
    path.write_text("".join(f"005 (1.0) Job terminated.\n\t(1) {end}\n" for end in ends))
    (line,) = read_log(path, "b/cluster_1.log", Room()).lines
    assert line.values["ended with"] == said


def test_a_log_gives_its_words_empty_ones_too(tmp_path):
    path = tmp_path / "job.out"
    path.write_text(
        "[START] file=benzenes.xyz mode=torch\n[OK] backend= species=2 value=4.3e+01 input=benzenes.xyz\n"
    )
    (line,) = read_log(path, "b/job.out", Room()).lines
    assert (line.bundle, line.system, line.mode) == ("b", "benzenes", "torch")
    assert line.values["backend"] == ""
    assert line.values["value"] == "4.3e+01"
    path.write_text("0.131\n")
    assert read_log(path, "b/benzenes_torch.wall", Room()).lines[0].values == {"wall": "0.131"}
