"""Traces the operations of JAX's programs with JAX's own profiler, without TensorFlow.

An operation is named by its enclosing modules and its own kind, `Model/embedding/dot_general`, if the
program has these names: XLA fuses operations, and a fusion has the name of its last one. So times are more
reliable for modules than for operations. On a CPU operations run on several threads concurrently: their
times may sum to more than the wall time.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.counting.jax_scopes import place_of
from instrumented_calc.capture.tracing.slices import RANGE, TracedSlice
from instrumented_calc.capture.tracing.xspace import op_names, programs_of

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

# Host events besides operations that are meaningful to a user.
HOST_EVENTS = (RANGE, "PjitFunction(", "np.asarray(")
DEVICE_PLANE, DEVICE_LINE = "/device:", "Stream"


class JaxTracer:
    """jax.profiler around single calls: operations of programs by module, on the host or on devices."""

    name = "jax.profiler"

    def __init__(self) -> None:
        self._profiler: Any = sys.modules["jax"].profiler
        self._folder = ""
        self._names: dict[str, dict[str, str]] = {}

    def is_taken(self) -> bool:
        """Return whether a trace is active: JAX allows one at a time per process."""
        state = getattr(sys.modules.get("jax._src.profiler"), "_profile_state", None)
        # its names before JAX 0.12 and since
        return any(getattr(state, name, None) is not None for name in ("profile_session", "session"))

    def annotate(self, name: str) -> AbstractContextManager[object]:
        """Return a range of this name."""
        made: AbstractContextManager[object] = self._profiler.TraceAnnotation(name)
        return made

    def start(self) -> None:
        """Start tracing."""
        options = self._profiler.ProfileOptions()
        options.python_tracer_level = 0  # tracing each Python call is slow and adds nothing
        options.host_tracer_level = 2
        self._folder = tempfile.mkdtemp(prefix="instrumented-calc-")
        try:
            self._profiler.start_trace(self._folder, profiler_options=options)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def stop(self) -> list[TracedSlice]:
        """Stop tracing and return the slices."""
        try:
            self._profiler.stop_trace()
            files = list(Path(self._folder).rglob("*.xplane.pb"))
            with warnings.catch_warnings():
                # JAX creates types without a module: on Python 3.12, with warnings as errors, it aborts.
                warnings.filterwarnings("ignore", "builtin type", DeprecationWarning)
                return [each for file in files for each in self._slices(file.read_bytes())]
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _slices(self, xspace: bytes) -> list[TracedSlice]:
        programs = programs_of(xspace)
        slices: list[TracedSlice] = []
        tracks = 0
        for plane in self._profiler.ProfileData.from_serialized_xspace(xspace).planes:
            on_device = plane.name.startswith(DEVICE_PLANE)
            for line in plane.lines:
                tracks += 1
                if on_device and not line.name.startswith(DEVICE_LINE):
                    continue  # duplicates, summed by step, module or operation
                for event in line.events:
                    name = self._name(event, programs, on_device=on_device)
                    if not name:
                        continue
                    start = int(event.start_ns)
                    last = slices[-1] if slices else None
                    if last and last.track == tracks and last.name == name and start < last.end_ns:
                        continue  # JAX marks each PjitFunction twice, one inside the other
                    slices.append(
                        TracedSlice(start, start + int(event.duration_ns), name, tracks, "", on_device)
                    )
        return slices

    def _name(self, event: Any, programs: dict[str, memoryview], *, on_device: bool) -> str:
        """Return an event's name; empty for events of the profiler or the runtime."""
        name: str = event.name
        if name.startswith(HOST_EVENTS):
            return name
        if name.startswith("end: ") or "::" in name:
            return ""
        stats = dict(event.stats)
        operation = stats.get("hlo_op")
        if operation is None:
            return name if on_device else ""
        program = f"{stats.get('hlo_module')}({stats.get('program_id')})"
        names = self._names.get(program)
        if names is None:
            names = op_names(programs[program]) if program in programs else {}
            self._names[program] = names
        return _readable(str(operation), names.get(str(operation), ""))


def _readable(operation: str, op_name: str) -> str:
    """Return `Model/embedding/dot_general`, or the kind of operation if the program has no name."""
    stack, slash, primitive = op_name.rpartition("/")
    if not slash:
        return operation.rstrip("0123456789").rstrip(".")
    scope = place_of(stack).scope
    return f"{scope}/{primitive}" if scope else primitive
