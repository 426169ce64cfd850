"""Traces torch's operations, and the kernels they launch, with torch's own profiler.

The profiler's raw results are read and dropped within one call: its own post-processing takes ten times as
long and leaves garbage that only a full collection frees. This uses private names of torch; in versions
without them the public profiler does the same, slowly.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

from instrumented_calc.capture.tracing.slices import RANGE, TracedSlice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

QUIET = ("KINETO_LOG_LEVEL", "99")


class TorchTracer:
    """torch.profiler around single calls: operations of the host with shapes, kernels of CUDA devices."""

    name = "torch.profiler"

    def __init__(self) -> None:
        self._torch: Any = sys.modules["torch"]
        self._profiler: Any = self._torch.autograd.profiler
        fast = getattr(
            getattr(self._torch._C, "_profiler", None),
            "_RecordFunctionFast",
            None,
            # costs a tenth of the public one
        )
        self._range: Any = fast or self._profiler.record_function
        self._open: Any = None
        self._on_cuda = False
        self._seen: set[str] = set()

    def is_taken(self) -> bool:
        """Return whether a profiler of torch runs, in this thread or another."""
        enabled = getattr(self._torch.autograd, "_profiler_enabled", bool)
        return bool(enabled()) or bool(getattr(self._profiler, "_is_profiler_enabled", False))

    def annotate(self, name: str) -> AbstractContextManager[object]:
        """Return a range of this name."""
        made: AbstractContextManager[object] = self._range(name)
        return made

    def start(self) -> None:
        """Start tracing."""
        self._on_cuda = bool(self._torch.cuda.is_initialized())
        options: dict[str, Any] = {"record_shapes": True, "use_kineto": True}
        if self._on_cuda:
            options["use_device"] = "cuda"
        with _quiet():
            try:
                self._open = self._profiler.profile(**options)
            except TypeError:  # torch before 2.3
                options.pop("use_device", None)
                self._open = self._profiler.profile(use_cuda=self._on_cuda, **options)
            self._open.__enter__()

    def stop(self) -> list[TracedSlice]:
        """Stop tracing and return the slices."""
        opened, self._open = self._open, None
        with _quiet():
            if self._on_cuda:
                self._torch.cuda.synchronize()
            events = self._results_of(opened).events()
        return self._with_device(events) if self._on_cuda else self._host_only(events)

    def _results_of(self, opened: Any) -> Any:
        end = getattr(self._profiler, "_disable_profiler", None)
        on_stop = getattr(self._profiler, "_run_on_profiler_stop", None)
        if end is None or on_stop is None:
            opened.__exit__(None, None, None)
            return opened.kineto_results
        try:
            return end()
        finally:
            on_stop()

    @staticmethod
    def _host_only(events: Any) -> list[TracedSlice]:
        new = tuple.__new__  # a NamedTuple's own constructor costs four times as much
        return [
            new(
                TracedSlice,
                (
                    start := each.start_ns(),
                    start + each.duration_ns(),
                    name := each.name(),
                    each.start_thread_id(),
                    "" if name.startswith(RANGE) else _words(each.shapes()),
                    False,
                    0,
                ),
            )
            for each in events
        ]

    def _with_device(self, events: Any) -> list[TracedSlice]:
        host = self._torch._C._autograd.DeviceType.CPU  # noqa: SLF001 - public under no other name
        slices = []
        for each in events:
            start = each.start_ns()
            on_device = each.device_type() != host
            if on_device and each.name().startswith(RANGE):
                continue  # a copy of a host range on the device's clock
            slices.append(
                TracedSlice(
                    start,
                    start + each.duration_ns(),
                    each.name(),
                    each.device_resource_id() if on_device else each.start_thread_id(),
                    "" if on_device else _words(each.shapes()),
                    on_device,
                    each.linked_correlation_id() if on_device else each.correlation_id(),
                )
            )
        return slices


def _words(shapes: list[Any]) -> str:
    """Return shapes as text, without those of scalars: [2,3] [3,4]."""
    text = str(shapes)
    found = _known.get(text)
    if found is None:
        if len(_known) > MOST_KNOWN:
            _known.clear()
        _known[text] = found = " ".join(str(shape).replace(" ", "") for shape in shapes if shape)
    return found


MOST_KNOWN = 10_000
_known: dict[str, str] = {}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the profiler's library from writing to stderr, unless the user has set its verbosity."""
    name, level = QUIET
    if name in os.environ:
        yield
        return
    os.environ[name] = level
    try:
        yield
    finally:
        os.environ.pop(name, None)
