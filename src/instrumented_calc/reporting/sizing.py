"""What a job needs as a document, with the lines of its job script, and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from instrumented_calc.plain_text import plain_json
from instrumented_calc.quantities import bytes_of, count, duration, elapsed, figures, plural
from instrumented_calc.reporting.document import Document, Facts, Paragraph, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from instrumented_calc.analysis.sizing.job_size import JobSize
    from instrumented_calc.analysis.sizing.memory_need import MemoryNeed
    from instrumented_calc.analysis.statistics.student_t import Estimate

SCHEMA = "instrumented-calc-size/1"
NS_PER_S, MIB = 1e9, 2**20
MINUTES_PER_HOUR, MINUTES_PER_DAY = 60, 1440


def build_size(job: JobSize) -> Document:
    """Return what a job needs as a document."""
    wanted = job.trajectory
    title = (
        f"Job of {plural(wanted.n_atoms, 'atom')}: {figures(wanted.simulated_ns)} ns,"
        f" {plural(job.steps, 'step')} of {figures(job.timestep_fs)} fs"
    )
    sections = (
        Section("Prediction", (Facts(tuple(_facts(job))), Paragraph(tuple(_remarks(job))))),
        Section("Slurm", (Paragraph(tuple(slurm_lines(job))),)),
        Section("HTCondor", (Paragraph(tuple(htcondor_lines(job))),)),
    )
    return Document(title, sections)


def size_headline(job: JobSize) -> str:
    """Return the prediction in one line."""
    return f"{_interval(job.wall_ns, elapsed)} at {_interval(job.ns_per_day, figures)} ns/day"


def render_size_json(job: JobSize) -> str:
    """Return what a job needs as one JSON object, indented, ending with a newline."""
    document = {
        "schema": SCHEMA,
        **asdict(job),
        "beyond": job.beyond,
        "slurm": list(slurm_lines(job)),
        "htcondor": list(htcondor_lines(job)),
    }
    return plain_json(document) + "\n"


def slurm_lines(job: JobSize) -> Iterator[str]:
    """Yield the lines of a Slurm job script: the upper ends of the intervals, rounded up."""
    minutes = math.ceil(job.wall_ns.high / NS_PER_S / 60)
    days, rest = divmod(minutes, MINUTES_PER_DAY)
    yield f"#SBATCH --time={days}-{rest // MINUTES_PER_HOUR:02d}:{rest % MINUTES_PER_HOUR:02d}:00"
    for each in job.memory:
        if each.kind == "host" and each.needed_bytes is not None:
            yield f"#SBATCH --mem={_mebibytes(each.needed_bytes)}M"
        if each.kind == "device":
            yield "#SBATCH --gres=gpu:1"
    if job.processors is not None:
        yield f"#SBATCH --cpus-per-task={job.processors}"


def htcondor_lines(job: JobSize) -> Iterator[str]:
    """Yield the lines of an HTCondor submit file; the duration is in seconds, the memory in MiB."""
    yield f"allowed_execute_duration = {math.ceil(job.wall_ns.high / NS_PER_S / 60) * 60}"
    for each in job.memory:
        if each.kind == "host" and each.needed_bytes is not None:
            yield f"request_memory = {_mebibytes(each.needed_bytes)}"
        if each.kind == "device":
            yield "request_gpus = 1"
    if job.processors is not None:
        yield f"request_cpus = {job.processors}"


def _mebibytes(needed: Estimate) -> int:
    return math.ceil(needed.high / MIB)


def _facts(job: JobSize) -> Iterator[tuple[str, str]]:
    yield "speed", f"{_interval(job.ns_per_day, figures)} ns/day"
    yield "time per step", _interval(job.step_ns, duration)
    yield "time of the job", f"{_interval(job.wall_ns, elapsed)}, with {elapsed(job.start_ns)} of start"
    for each in job.memory:
        yield f"{each.kind} memory", _memory(each)
        if each.largest is not None and each.limit_bytes is not None:
            fitting = _interval(each.largest, lambda atoms: count(_rounded(atoms)))
            times = each.largest.value / job.largest
            carried = f", {figures(times)} times the largest measured size" if times > 1 else ""
            yield f"largest in {bytes_of(each.limit_bytes)}", f"about {fitting} atoms{carried}"
        elif each.fits_at_least is not None and each.limit_bytes is not None:
            least = plural(each.fits_at_least, "atom")
            yield (
                f"largest in {bytes_of(each.limit_bytes)}",
                f"{least} or more: larger runs would tell",
            )
    if job.replicas is not None:
        found = job.replicas
        own = f"{plural(found.processors, 'processor')} of {found.available}"
        if found.number:
            yield (
                "replicas",
                f"up to {found.number} side by side, each with {own}; limited by {found.bound_by}",
            )
        else:
            yield "replicas", f"not one fits, with {own}; limited by {found.bound_by}"


def _memory(need: MemoryNeed) -> str:
    if need.needed_bytes is None:
        return f"not predicted: {need.why}"
    return _interval(need.needed_bytes, bytes_of)


def _interval(value: Estimate, shown: Callable[[float], str]) -> str:
    return f"{shown(value.value)} [{shown(value.low)}, {shown(value.high)}]"


def _rounded(number: float) -> int:
    """Return an estimate to two significant figures; more would overstate its accuracy."""
    return int(float(f"{number:.1e}"))


def _remarks(job: JobSize) -> Iterator[str]:
    sizes = f"{job.smallest:,} to {job.largest:,} atoms"
    yield f"intervals hold 95 % of further runs; {plural(job.runs, 'run')} of {sizes}"
    yield f"beyond a fixed part the time grows as N^{job.power:.2f}"
    if job.beyond > 1:
        wanted = plural(job.trajectory.n_atoms, "atom")
        yield f"EXTRAPOLATED: {wanted}, {job.beyond:.1f} times outside these sizes"
    for kind in job.grows:
        yield f"{kind} memory was still growing during a run: a long job needs more than is stated here"
    if job.replicas is not None:
        yield "replicas are an upper limit: what they share, such as memory bandwidth, was not measured"
