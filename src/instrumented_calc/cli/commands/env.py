"""`instrumented-calc env`: the environment a run here would have, as JSON, with secrets masked."""

from __future__ import annotations

import importlib
import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from instrumented_calc._version import __version__
from instrumented_calc.capture.environment.environment import environment
from instrumented_calc.errors import InstrumentedCalcError, TargetError
from instrumented_calc.intake.outgoing.masking import mask_paths
from instrumented_calc.journal.masking import mask_secrets, mask_variables
from instrumented_calc.plain_text import plain_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCHEMA = "instrumented-calc-env/1"
IMPORTABLE = ("torch", "jax", "numpy")
GIT_TIME_S = 10
# Variables that decide how libraries run, besides threads; no other variables are read.
VARIABLES = re.compile(
    r"^(OMP|MKL|OPENBLAS|BLIS|NUMEXPR|VECLIB|KMP|GOMP|TORCH|PYTORCH|JAX|XLA|TF|CUDA|NVIDIA|HIP|ROCR|TRITON|NCCL"
    r"|MALLOC|LD_PRELOAD|PYTHON|INSTRUMENTED_CALC|SLURM|PBS|LSB|_CONDOR|OMPI|PMI|CONDA_DEFAULT_ENV|VIRTUAL_ENV"
    r"|HF|WANDB|PIP|UV|HTTPS?_PROXY|https?_proxy)"
)
CONTAINERS = {"/.dockerenv": "docker", "/run/.containerenv": "podman", "/.singularity.d": "apptainer"}


def env(
    load: Annotated[
        str,
        typer.Option("--import", metavar="torch,jax", help="Import these libraries and list their devices."),
    ] = "",
) -> None:
    """Print the environment as JSON: machine, libraries, threads, devices, revision, batch system."""
    names = [name.strip() for name in load.split(",") if name.strip()]
    for name in names:
        if name not in IMPORTABLE:
            message = f"--import {name}: unknown library; known: {', '.join(IMPORTABLE)}"
            raise TargetError(message)
    failed = {name: error for name in names if (error := _import(name))}
    typer.echo(plain_json(full_environment(failed)))
    if failed:
        told = "; ".join(f"{name}: {error}" for name, error in failed.items())
        message = f"cannot import {told}"
        raise InstrumentedCalcError(message)


def _import(name: str) -> str:
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - a broken installation raises anything
        return f"{type(error).__name__}: {error}"
    return ""


def full_environment(failed: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return everything that can be found out here; unknown values are absent.

    Args:
        failed: Libraries that could not be imported, with the reason.
    """
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "captured_at_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "instrumented_calc": __version__,
        **msgspec.to_builtins(environment()),
    }
    sources: dict[str, Callable[[], Any]] = {
        "executable": lambda: _plain(sys.executable),
        "architecture": platform.machine,
        "packages": _packages,
        "torch": lambda: _torch(found.get("torch", {})),
        "jax": _jax,
        "gpus": _gpus,
        "git": _git,
        "container": _container,
        "variables": lambda: {
            name: _plain(value) for name, value in mask_variables(os.environ).items() if VARIABLES.match(name)
        },
        "import_failed": lambda: dict(failed or {}),
    }
    for name, source in sources.items():
        # A failing source must not affect the others.
        with suppress(Exception):
            value = source()
            if value:
                found[name] = value
    return found


def _plain(text: str) -> str:
    return mask_secrets(mask_paths(text))


def _packages() -> dict[str, str]:
    named = {(each.metadata["Name"] or "").lower(): each.version for each in metadata.distributions()}
    return {name: version for name, version in sorted(named.items()) if name}


def _torch(state: dict[str, Any]) -> dict[str, Any]:
    """Return torch's settings, or only whether it is installed: it is imported on request only."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return _installed("torch")
    told: dict[str, Any] = {**state, "installed": str(torch.__version__), "imported": True}
    with suppress(Exception):
        told["threads"] = [torch.get_num_threads(), torch.get_num_interop_threads()]
    with suppress(Exception):
        told["cuda"] = _cuda(torch)
    with suppress(Exception):
        mps = torch.backends.mps
        told["mps"] = {"built": mps.is_built(), "available": mps.is_available()}
    return told


def _cuda(torch: Any) -> dict[str, Any]:
    available = bool(torch.cuda.is_available())
    told: dict[str, Any] = {"available": available, "version": torch.version.cuda}
    if available:
        told["cudnn"] = torch.backends.cudnn.version()
        properties = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        told["devices"] = [
            {
                "name": each.name,
                "memory_bytes": each.total_memory,
                "compute_capability": f"{each.major}.{each.minor}",
            }
            for each in properties
        ]
    return told


def _jax() -> dict[str, Any]:
    jax: Any = sys.modules.get("jax")
    if jax is None:
        return _installed("jax")
    told: dict[str, Any] = {"installed": str(jax.__version__), "imported": True}
    with suppress(Exception):
        told["backend"] = jax.default_backend()
        told["devices"] = [str(each) for each in jax.devices()]
        told["x64"] = bool(jax.config.jax_enable_x64)
    return told


def _installed(name: str) -> dict[str, Any]:
    try:
        return {"installed": metadata.version(name), "imported": False}
    except metadata.PackageNotFoundError:
        return {"installed": False}


def _gpus() -> list[dict[str, Any]]:
    """Return the machine's NVIDIA GPUs without waking them."""
    try:
        return _nvml()
    except Exception:  # noqa: BLE001 - nvidia-ml-py is not installed, or there is no driver
        return [_information(path) for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))]


def _nvml() -> list[dict[str, Any]]:
    nvml = importlib.import_module("pynvml")
    nvml.nvmlInit()
    try:
        driver = nvml.nvmlSystemGetDriverVersion()
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        return [
            {
                "name": nvml.nvmlDeviceGetName(each),
                "memory_bytes": int(nvml.nvmlDeviceGetMemoryInfo(each).total),
                "driver": driver,
            }
            for each in handles
        ]
    finally:
        nvml.nvmlShutdown()


def _information(path: Path) -> dict[str, Any]:
    pairs = (line.partition(":") for line in path.read_text(encoding="utf-8").splitlines())
    told = {key.strip(): value.strip() for key, _, value in pairs}
    kept = {"name": told.get("Model"), "bus": told.get("Bus Location"), "firmware": told.get("GPU Firmware")}
    return {key: value for key, value in kept.items() if value}


def _git() -> dict[str, Any]:
    revision = _git_says("rev-parse", "HEAD")
    if not revision:
        return {}
    told: dict[str, Any] = {"revision": revision, "branch": _git_says("rev-parse", "--abbrev-ref", "HEAD")}
    changed = _git_says("status", "--porcelain", "--untracked-files=no")
    if changed is not None:
        told["changed_files"] = len(changed.splitlines())
    remote = _git_says("config", "--get", "remote.origin.url")
    if remote:
        told["remote"] = _plain(remote)
    return told


def _git_says(*words: str) -> str | None:
    # A repository's own settings may name programs to run: those used by `git status` are disabled.
    safe = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    try:
        said = subprocess.run(
            ["git", *safe, *words],  # noqa: S607 - the user's own git, wherever it is
            capture_output=True,
            text=True,
            timeout=GIT_TIME_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip() if said.returncode == 0 else None


def _container() -> dict[str, Any]:
    hints = [kind for path, kind in CONTAINERS.items() if Path(path).exists()]
    named = {
        kind: os.environ[name]
        for name, kind in (
            ("APPTAINER_NAME", "apptainer"),
            ("SINGULARITY_NAME", "apptainer"),
            ("container", "container"),
        )
        if os.environ.get(name)
    }
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        hints.append("kubernetes")
    told: dict[str, Any] = {"hints": sorted({*hints, *named})}
    if named:
        told["name"] = _plain(next(iter(named.values())))
    return told if told["hints"] else {}
