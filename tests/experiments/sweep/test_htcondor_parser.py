"""Submit files as HTCondor's own parser reads them."""

import signal

import pytest

from instrumented_calc.experiments.sweep.cell import SweepCell
from instrumented_calc.experiments.sweep.dask_engine import DaskSettings, job_options
from instrumented_calc.experiments.sweep.manifest import SweepManifest
from instrumented_calc.experiments.sweep.submit.batch_job import BatchJob
from instrumented_calc.experiments.sweep.submit.emit import emit_htcondor


@pytest.mark.parametrize("job", [BatchJob(), BatchJob(image="docker://example/image:1", gpus=1, at_most=7)])
def test_the_parser_queues_one_job_per_key(tmp_path, monkeypatch, job):
    htcondor = pytest.importorskip("htcondor2")
    pairs = [(calc, replicate) for calc in ("emt", "lj") for replicate in range(1, 13)]
    cells = [SweepCell(calc, "copper", 32, replicate, 5, 1, 300.0, 0) for calc, replicate in pairs]
    manifest = SweepManifest("a name; touch harm", {each.key: each for each in cells})
    emit_htcondor(manifest, [*manifest.cells], tmp_path / "h", job)
    monkeypatch.chdir(tmp_path / "h")
    submit = htcondor.Submit((tmp_path / "h/sweep.sub").read_text())
    assert submit.getQArgs() == "KEY from keys.txt"
    assert sorted(each["KEY"] for each in submit.itemdata()) == sorted(manifest.cells)
    assert submit["arguments"] == "$(KEY)"
    assert submit["executable"] == "cell.sh"
    assert submit["transfer_output_files"] == "cell.jsonl"
    assert submit["when_to_transfer_output"] == "ON_EXIT_OR_EVICT"
    assert ("container_image" in dict(submit)) is bool(job.image)


def test_the_parser_reads_the_job_of_a_dask_worker():
    htcondor = pytest.importorskip("htcondor2")
    handler = signal.getsignal(signal.SIGINT)
    jobqueue = pytest.importorskip("dask_jobqueue")
    signal.signal(signal.SIGINT, handler)  # which its import has replaced
    options = job_options(DaskSettings(workers=2, cluster="htcondor", threads=4, memory="4GB"))
    with jobqueue.HTCondorCluster(**options, disk="1GB") as cluster:
        submit = htcondor.Submit(cluster.job_script())
    assert submit.getQArgs() == ""
    assert (submit["RequestCpus"], submit["MY.DaskWorkerCores"]) == ("MY.DaskWorkerCores", "4")
    assert (submit["executable"], submit["MY.DaskWorkerMemory"]) == ("/bin/sh", "4000000000")
    assert submit["arguments"].endswith("--nthreads 1 --memory-limit 0'\"")
