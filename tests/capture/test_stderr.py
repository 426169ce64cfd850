"""Messages on stderr never wait long for a reader."""

from __future__ import annotations

import os
import select
from contextlib import redirect_stderr, suppress

import pytest

from instrumented_calc.capture.stderr import write_for_people


@pytest.mark.parametrize("has_poll", [True, False])  # poll of macOS supports no terminals
def test_a_full_pipe_gets_no_text_and_an_empty_one_gets_it(has_poll, monkeypatch):
    if not has_poll:
        monkeypatch.delattr(select, "poll")
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as received, os.fdopen(writer, "w") as stream:
        os.set_blocking(writer, False)
        size = 0
        with suppress(BlockingIOError):
            while True:
                size += os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
        with redirect_stderr(stream):
            write_for_people("lost\n", patience_s=0.01)
            assert received.read(2 * size) == b"x" * size
            write_for_people("seen\n", patience_s=10)
        assert received.read(100) == b"seen\n"
