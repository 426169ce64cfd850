"""Journals made of records."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec
import pytest

from instrumented_calc.journal import records

if TYPE_CHECKING:
    from pathlib import Path
from typing import Any


@pytest.fixture
def journal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))

    def write(*made: records.Record, name: str = "run.jsonl", own: bool = False, **more: Any) -> Path:
        """Write a journal of another machine, or of this process, with more fields of its first record."""
        start = records.RunStart(
            schema=records.SCHEMA,
            run_id="r",
            started=datetime.now(timezone.utc).isoformat() if own else "2026-01-01T00:00:00Z",
            pid=os.getpid(),
            version="0.1.0",
            environment=records.Environment(
                host=socket.gethostname() if own else "node07", memory_bytes=10**9
            ),
            **more,
        )
        path = tmp_path / name
        path.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in (start, *made)))
        return path

    return write
