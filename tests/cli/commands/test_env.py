"""`instrumented-calc env`: the environment, without secrets and without importing more than requested."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import msgspec
import pytest

from instrumented_calc import __version__
from instrumented_calc.capture.environment.environment import environment
from instrumented_calc.cli import main
from instrumented_calc.intake.archives.kinds import MemberKind
from instrumented_calc.intake.ingest import Bundle, ingest


@pytest.fixture
def env_output(capsys):
    def of(*arguments: str):
        assert main(["env", *arguments]) == 0
        return json.loads(capsys.readouterr().out)

    return of


def test_machine_software_and_threads(env_output):
    found = env_output()
    assert found["instrumented_calc"] == __version__
    assert found["python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert found["packages"]["numpy"]
    assert {"cpu_count", "platform", "threads_effective"} <= set(found)


def test_secrets_are_masked(env_output, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hunter2")
    monkeypatch.setenv("WANDB_API_KEY", "hunter2")
    monkeypatch.setenv("HTTPS_PROXY", "http://marie:hunter2@proxy:80")
    monkeypatch.setenv("PIP_INDEX_URL", "https://marie:hunter2@index/simple")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("UNRELATED", "hunter2")
    found = env_output()
    assert "hunter2" not in json.dumps(found)
    assert {name for name, value in found["variables"].items() if value == "***"} >= {
        "HF_TOKEN",
        "WANDB_API_KEY",
    }
    assert found["variables"]["HTTPS_PROXY"] == "http://***@proxy:80"
    assert found["threads_wanted"]["OMP_NUM_THREADS"] == "3"
    assert "UNRELATED" not in found["variables"]


def test_all_that_a_run_records_of_its_environment_is_shown(env_output):
    recorded = msgspec.to_builtins(environment())
    found = env_output()
    recorded.pop("torch", None)  # shown with more details
    assert {name: found[name] for name in recorded} == recorded


def test_home_directories_are_not_shown(env_output, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", f"{tmp_path}/cuda")
    monkeypatch.setenv("XLA_FLAGS", f"--xla_dump_to={tmp_path}/dump")
    found = env_output()
    assert found["variables"]["CUDA_HOME"] == "~/cuda"
    assert found["threads_wanted"]["XLA_FLAGS"] == "--xla_dump_to=~/dump"


def test_torch_is_imported_only_when_asked():
    script = (
        "import sys; from instrumented_calc.cli import main; main(['env']); print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "False"


def test_torch_reports_its_devices_when_asked(env_output):
    torch = pytest.importorskip("torch")
    found = env_output("--import", "torch")["torch"]
    assert found["installed"] == torch.__version__
    assert found["cuda"]["available"] == torch.cuda.is_available()
    assert found["mps"]["available"] == torch.backends.mps.is_available()
    assert found["threads"][0] == torch.get_num_threads()


def test_the_revision_of_the_working_directory_without_credentials(env_output, tmp_path):
    def git(*words: str):
        settings = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = [shutil.which("git"), *settings, *words]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    assert "git" not in env_output()
    git("init", "-q")
    (tmp_path / "a.txt").write_text("1")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    git("remote", "add", "origin", "https://marie:hunter2@host/repository.git")
    (tmp_path / "a.txt").write_text("2")
    found = env_output()["git"]
    assert len(found["revision"]) == 40
    assert found["changed_files"] == 1
    assert found["remote"] == "https://***@host/repository.git"


def test_a_batch_job_and_a_container_are_reported(env_output, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "812345")
    monkeypatch.setenv("APPTAINER_NAME", "image.sif")
    found = env_output()
    assert found["scheduler"]["job_id"] == "812345"
    assert "apptainer" in found["container"]["hints"]


def test_a_failed_import_is_one_line_and_the_rest_is_reported(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    assert main(["env", "--import", "jax"]) == 5
    seen = capsys.readouterr()
    assert "jax" in json.loads(seen.out)["import_failed"]
    assert seen.err.startswith("error: cannot import jax")
    assert main(["env", "--import", "os"]) == 2


def test_ingest_recognises_the_output_of_env(env_output, tmp_path):
    (tmp_path / "env.json").write_text(json.dumps(env_output()))
    found = ingest([Bundle(tmp_path / "env.json")], tmp_path / "results")
    assert found.placed[0].kind is MemberKind.environment
