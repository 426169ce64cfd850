"""Matrix products by shape, from trace windows, worked out by hand."""

from __future__ import annotations

import pytest

from instrumented_calc.analysis.contractions.gemms import macs_of, measure_gemms
from instrumented_calc.analysis.contractions.traces import measure_traces
from instrumented_calc.journal.records import TracedOperation, TraceWindow


def window(*operations: TracedOperation, number: int = 1) -> TraceWindow:
    return TraceWindow(
        window=number,
        tracer="torch.profiler",
        index=10 * number,
        calls=2,
        start_ns=0,
        wall_ns=1000,
        profiler_ns=50,
        operations=list(operations),
    )


@pytest.fixture
def measured(summarized):
    def of(*windows: TraceWindow):
        return measure_gemms(measure_traces(summarized(*windows).journal, None))

    return of


def test_products_are_summed_over_windows_and_reported_per_traced_call(measured):
    product = TracedOperation("aten::mm", 6, "encoder", "[4,3] [3,5]", 300)
    (gemm,) = measured(window(product), window(product, number=2))
    assert (gemm.operation, gemm.component, gemm.macs) == ("aten::mm", "encoder", 60)
    assert (gemm.per_call, gemm.ns, gemm.share) == (3, 150, 0.3)
    assert gemm.gflops == pytest.approx(2 * 60 * 3 / 150)


def test_a_time_reported_by_the_device_takes_precedence(measured):
    (gemm,) = measured(window(TracedOperation("aten::mm", 2, "", "[4,3] [3,5]", 20, 500)))
    assert (gemm.device_ns, gemm.share) == (250, 0.5)


def test_other_operations_and_unknown_shapes_are_not_products(measured):
    others = [TracedOperation("aten::relu", 2, "", "[4,3]", 20), TracedOperation("aten::mm", 2, "", "", 20)]
    assert measured(window(*others)) == ()


def test_a_run_without_windows_has_none(measured):
    assert measured() == ()


@pytest.mark.parametrize(
    ("operation", "shapes", "macs"),
    [
        ("aten::mm", "[2,3] [3,4]", 24),
        ("aten::bmm", "[5, 2, 3] [5, 3, 4]", 120),
        ("aten::addmm", "[4] [2,3] [3,4]", 24),
        ("aten::mv", "[2,3] [3]", 6),
        ("aten::dot", "[7] [7]", 7),
        ("aten::mm", "[2,3]", None),
        ("aten::addmm", "[4] [] [3,4]", None),
    ],
)
def test_macs_follow_from_the_shapes(operation, shapes, macs):
    assert macs_of(operation, shapes) == macs
