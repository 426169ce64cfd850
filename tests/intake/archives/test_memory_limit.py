"""Bundles that would fill the memory: small archives of members that are long, deep, wide or many."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import marshal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from instrumented_calc import profiled
from instrumented_calc.errors import IntakeError
from instrumented_calc.intake.archives.memory_limit import LONGEST_LINE, Room, bounded_lines, json_bytes
from instrumented_calc.intake.reading.tables import FULL, WORDS_KEPT, read_log, read_table

MIB = 2**20
MOST_MB = 200
# Peak resident memory as the kernel counts it; the archive is the first argument, the results the second.
TAKE = """
import re, sys
from instrumented_calc.cli import main
code = main(["ingest", sys.argv[1], "--output", sys.argv[2], "--load-marshalled"])
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
print(f"\\ncode {code} peak {peak // 1024}")
"""


def numbered(head: bytes, piece: bytes, count: int, tail: bytes) -> bytes:
    return head + piece * count + tail


def journal(path: Path, rows: int) -> bytes:
    atoms = bulk("Cu")
    with profiled(EMT(), path, summary=False) as atoms.calc:
        atoms.get_potential_energy()
    start = path.read_bytes().splitlines(keepends=True)[0]
    return start + b"".join(b'{"event":"call","index":%d,"wall_ns":1}\n' % row for row in range(rows))


CSV = b"file,mode,tag,wall_s\n"
MEMBERS = {
    "lists.json": lambda: [numbered(b'{"a":[', b"[],", 20 * MIB, b"0]}")],
    "dicts.json": lambda: [
        numbered(b'{"python":"%d","a":[' % n, b'{"a":0},', 95_000, b"0]}") for n in range(20)
    ],
    "wide.json": lambda: ['{"latencies_ms":"\U0001f600'.encode() + b"a" * (60 * MIB) + b'"}'],
    "field.csv": lambda: [CSV + b"a" * (60 * MIB)],
    "row.csv": lambda: [CSV + b"a," * (30 * MIB)],
    "endless.csv": lambda: [CSV + b'a,"' + b'\n","' * (15 * MIB)],
    "rows.csv": lambda: [CSV + b"%d,b,c,3\n" % n + b"a,b,,1\n" * 200_000 for n in range(20)],
    "texts.csv": lambda: [CSV + b"".join(b"a%d,b,%s,1\n" % (n, b"x" * 60_000) for n in range(500))],
    "words.log": lambda: [b"".join(b"k%d=v%d " % (n, n) for n in range(1_000_000))],
    "SHA256SUMS": lambda: [b"a\n" * (30 * MIB)],
    "profile.prof": lambda: [marshal.dumps({("f", n, "x"): (1, 1, 1.0, 1.0, {}) for n in range(300_000)})],
    "bomb.tar.xz": lambda: [lzma.compress(bytes(60 * MIB), preset=0)],
    "bomb.tar.bz2": lambda: [bz2.compress(bytes(60 * MIB))],
}


# The others differ in which part is long, and take longer to make.
QUICK = {"lists.json"}


def bundle(path: Path, name: str, contents: list[bytes]) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for number, content in enumerate(contents):
            info = tarfile.TarInfo(f"{number}/{name}" if len(contents) == 1 else f"{number}-{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def long_names(path: Path) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as archive:
        for number in range(200):
            archive.addfile(tarfile.TarInfo(f"{number}" + "a" * 250_000))
    return path


def global_headers(path: Path) -> Path:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for number in range(200):
            lines = (b" k%d-%d=\n" % (number, key) for key in range(15_000))
            text = b"".join(b"%d%s" % (len(line) + 2, line) for line in lines)
            header = tarfile.TarInfo("header")
            header.type, header.size = tarfile.XGLTYPE, len(text)
            file.write(header.tobuf(tarfile.USTAR_FORMAT) + text.ljust(-(-len(text) // 512) * 512, b"\0"))
            file.write(tarfile.TarInfo(f"{number}.log").tobuf(tarfile.USTAR_FORMAT))
        file.write(bytes(1024))
    return path


def many_entries(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(40_000):
            archive.writestr(zipfile.ZipInfo(f"{number:x}"), b"")
    return path


def peak_mb(path: Path, results: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", TAKE, path, results], capture_output=True, text=True, check=False, timeout=300
    )
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "code", done.stderr
    assert last[1] in {"0", "1"}
    return int(last[-1]), done.stdout


pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in MEMBERS]
)
def test_a_member_that_would_fill_the_memory_does_not(tmp_path, name):
    path = bundle(tmp_path / "bundle.tgz", name, MEMBERS[name]())
    peak, _ = peak_mb(path, tmp_path / "results")
    assert peak < MOST_MB
    assert list((tmp_path / "results").rglob(f"*{name}")), "it is kept, whatever could be read of it"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_journal_of_a_million_rows_is_read_or_noted(tmp_path):
    content = journal(tmp_path / "run.jsonl", 1_000_000)
    peak, text = peak_mb(bundle(tmp_path / "bundle.tgz", "run.jsonl", [content]), tmp_path / "results")
    assert peak < MOST_MB
    assert "ingested/journals.csv" in text or "kept, not read" in text


@pytest.mark.parametrize(
    "make",
    [long_names, *(pytest.param(each, marks=pytest.mark.slow) for each in (global_headers, many_entries))],
)
def test_headers_that_would_fill_the_memory_do_not(tmp_path, make):
    peak, text = peak_mb(make(tmp_path / "bundle.tgz"), tmp_path / "results")
    assert peak < MOST_MB
    if make is not global_headers:  # they are dropped member by member, and the members are kept
        assert "too long" in text or "more than 20,000 members" in text


@pytest.mark.slow
def test_an_archive_in_an_archive_is_held_to_the_same(tmp_path):
    inner = bundle(tmp_path / "inner.tgz", "lists.json", MEMBERS["lists.json"]()).read_bytes()
    peak, _ = peak_mb(bundle(tmp_path / "bundle.tgz", "inner.tgz", [inner]), tmp_path / "results")
    assert peak < MOST_MB


def test_unread_content_is_reported(tmp_path):
    rows = CSV + b"a,b,c,1\n" * 10
    (tmp_path / "t.csv").write_bytes(rows + b"x" * (LONGEST_LINE + 1) + b"\n" + b"a,b,c,2\n")
    read = read_table(tmp_path / "t.csv", "b/t.csv", Room())
    assert len(read.measurements) == 10
    assert read.problems == ["line 12: a line of more than 65,536 bytes; nothing further is read"]
    read = read_table(tmp_path / "t.csv", "b/t.csv", Room(7_000))
    assert len(read.measurements) == 3
    assert read.problems == [f"line 5: {FULL}"]


def test_of_a_log_the_first_words_are_kept(tmp_path):
    (tmp_path / "a.log").write_bytes(b"".join(b"k%d=1 " % n for n in range(2 * WORDS_KEPT)))
    (line,) = read_log(tmp_path / "a.log", "b/a.log", Room()).lines
    assert len(line.values) == WORDS_KEPT
    assert read_log(tmp_path / "a.log", "b/a.log", Room(1000)).problems == [FULL]


def test_lines_are_bounded_and_room_is_finite():
    assert list(bounded_lines(io.BytesIO(b"12\n34\n\n5"), 3)) == [b"12\n", b"34\n", b"\n", b"5"]
    with pytest.raises(IntakeError, match="more than 3 bytes"):
        list(bounded_lines(io.BytesIO(b"123\n"), 3))
    room = Room(10)
    assert [room.take(6), room.take(6), room.take(4), room.take(1)] == [True, False, True, False]


@pytest.mark.parametrize("text", ['[{"a":0},{"a":0}]', '["ab","cd"]', "[[],[],[]]", '{"x":{"y":[1.5,2.5]}}'])
def test_the_estimate_of_json_is_an_upper_one(text):
    import json  # noqa: PLC0415 - only here

    def size(value):
        own = sys.getsizeof(value)
        if isinstance(value, dict):
            return own + sum(size(key) + size(each) for key, each in value.items())
        return own + (sum(map(size, value)) if isinstance(value, list) else 0)

    many = f"[{','.join([text] * 1000)}]"
    assert size(json.loads(many)) < json_bytes(many.encode())
