"""Bundles that mean harm: whatever they hold, nothing outside the results is touched, and nothing runs."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instrumented_calc.cli import main
from instrumented_calc.errors import IntakeError
from instrumented_calc.intake.archives.layout import safe_name
from instrumented_calc.intake.archives.limits import Limits
from instrumented_calc.intake.ingest import Bundle, ingest

MIB = 2**20
SMALL = Limits(members=50, total_bytes=4 * MIB, member_bytes=MIB, free_bytes=MIB)


def tar_of(path: Path, *members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for each in members:
            info, content = each if isinstance(each, tuple) else (each, b"")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def everything(root: Path) -> dict[str, bytes | None]:
    return {
        str(each.relative_to(root)): each.read_bytes() if each.is_file() and not each.is_symlink() else None
        for each in root.rglob("*")
    }


def take(path: Path, output: str = "results", limits: Limits = SMALL):
    """Ingest, and prove that nothing but plain files appeared, all of them in the results."""
    there = path.resolve().parent
    before = everything(there)
    found = ingest([Bundle(path)], there / output, limits=limits)
    after = everything(there)
    new = {name for name in after if name not in before}
    assert all(name == output or name.startswith(f"{output}/") for name in new)
    assert {name: after[name] for name in before} == before
    for each in (there / output).rglob("*"):
        assert not each.is_symlink()
        assert each.is_dir() or each.is_file()
        if each.is_file():
            assert each.stat().st_nlink == 1
            assert not each.stat().st_mode & 0o7111
    assert not list((there / output).glob(".incoming*"))
    return found


def reasons(found) -> str:
    return " | ".join(each.reason for each in found.refusals)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../escaped.csv", "points outside the bundle"),
        ("a/../../escaped.csv", "points outside the bundle"),
        ("/absolute.csv", "absolute path"),
        ("..\\escaped.csv", "points outside the bundle"),
        ("C:\\windows.csv", "absolute path"),
    ],
)
def test_names_that_leave_the_bundle_are_refused(tmp_path, name, reason):
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), "x")
    for path in (tar_of(tmp_path / "b.tgz", (member(name), b"x")), tmp_path / "b.zip"):
        assert reason in reasons(take(path))
    assert not list((tmp_path / "results").rglob("*escaped*"))


@pytest.mark.parametrize(
    ("kind", "target", "reason"),
    [
        (tarfile.SYMTYPE, "/etc/passwd", "link"),
        (tarfile.LNKTYPE, "/etc/passwd", "link"),
        (tarfile.CHRTYPE, "", "not a regular file"),
        (tarfile.BLKTYPE, "", "not a regular file"),
        (tarfile.FIFOTYPE, "", "not a regular file"),
    ],
)
def test_links_and_devices_are_refused_and_later_members_are_kept(tmp_path, kind, target, reason):
    path = tar_of(tmp_path / "b.tgz", member("logs", kind, target), (member("logs/run.log"), b"a=1"))
    found = take(path)
    assert reason in reasons(found)
    assert [each.path for each in found.placed] == ["logs/run.log"]


@pytest.mark.parametrize("planted", ["logs", "logs/chtc", "tables", "ingested", "figures", "other"])
def test_a_link_planted_in_the_results_is_never_followed(tmp_path, planted, capsys):
    outside = tmp_path / "outside"
    outside.mkdir()
    link = tmp_path / "results" / planted
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    rows = b"file,mode,rep,wall_s\n" + b"".join(b"a.xyz,numpy,%d,1.%d\n" % (rep, rep) for rep in range(5))
    path = tar_of(
        tmp_path / "b.tgz",
        (member("run.log"), b"a=1"),
        (member("timings.csv"), rows),
        (member("x.png"), b"\x89PNG\r\n\x1a\n"),
        (member("run.sh"), b"true"),
    )
    assert main(["ingest", "--chtc", str(path), "--output", str(tmp_path / "results")]) == 5
    error = capsys.readouterr().err.splitlines()[-1]
    assert str(link) in error
    assert "give another --output" in error
    assert not list(outside.iterdir())


def test_links_in_place_of_our_own_files_are_replaced_and_the_results_may_be_a_link(tmp_path):
    (tmp_path / "real/ingested").mkdir(parents=True)
    (tmp_path / "results").symlink_to(tmp_path / "real")
    (tmp_path / "victim").write_bytes(b"precious")
    for name in ("provenance.csv", "report.md", "report.json"):
        (tmp_path / "real/ingested" / name).symlink_to(tmp_path / "victim")
    path = tar_of(tmp_path / "b.tgz", (member("run.log"), b"a=1"))
    assert main(["ingest", str(path), "--output", str(tmp_path / "results")]) == 0
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert "run.log" in (tmp_path / "real/ingested/provenance.csv").read_text()
    assert not [each for each in (tmp_path / "real").rglob("*") if each.is_symlink()]


def test_a_link_in_a_zip_or_a_folder_is_refused(tmp_path):
    link = zipfile.ZipInfo("passwd.csv")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "link" in reasons(take(tmp_path / "b.zip"))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "passwd.csv").symlink_to("/etc/passwd")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.csv")
    found = take(folder)
    assert len(found.refusals) == 3
    assert not found.placed


def test_names_that_a_shell_would_run_are_only_names(tmp_path):
    names = [
        "$(touch pwned)_numpy.out",
        "`touch pwned`.out",
        "; touch pwned #.out",
        "a\nb.out",
        "-rf.out",
        ".out",
    ]
    path = tar_of(tmp_path / "b.tgz", *((member(name), name.encode()) for name in names))
    found = take(path)
    assert len(found.placed) == len(names)
    for each in found.placed:
        assert each.path == each.path.encode("ascii").decode()
        assert not set(each.path) & set("$`;#\n '\"")
        assert not Path(each.path).name.startswith((".", "-"))
    assert "touch pwned" in (tmp_path / "results/ingested/provenance.csv").read_text()


def test_names_that_are_not_utf_8_are_kept_as_escapes(tmp_path):
    path = tmp_path / "b.tar"
    tar_of(path, (member("Na\udcffme.log"), b"a=1"), mode="w")
    found = take(path)
    assert found.placed[0].path == "logs/Na_xffme.log"
    assert found.placed[0].content.origins[0].member == "Na\\xffme.log"


def test_members_of_the_same_name_are_all_kept(tmp_path):
    path = tar_of(
        tmp_path / "b.tgz", (member("t.log"), b"one"), (member("T.log"), b"two"), (member("t.log"), b"three")
    )
    found = take(path)
    names = [each.path for each in found.placed]
    assert len({name.lower() for name in names}) == 3
    assert {(tmp_path / "results" / name).read_bytes() for name in names} == {b"one", b"two", b"three"}


def test_existing_results_are_not_overwritten(tmp_path):
    (tmp_path / "results/tables").mkdir(parents=True)
    (tmp_path / "results/tables/timings_local.csv").write_bytes(b"mine")
    (tmp_path / "results/tables/other.csv").symlink_to(tmp_path / "outside.csv")
    path = tar_of(
        tmp_path / "b.tgz", (member("timings_local.csv"), b"theirs"), (member("other.csv"), b"theirs too")
    )
    found = ingest([Bundle(path)], tmp_path / "results")
    assert (tmp_path / "results/tables/timings_local.csv").read_bytes() == b"mine"
    assert not (tmp_path / "outside.csv").exists()
    assert len(found.placed) == 2


def bomb(size: int) -> io.BufferedIOBase:
    return io.BytesIO(bytes(size))


def test_bombs_are_stopped(tmp_path):
    big = 3 * MIB
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.csv", bytes(big))
    tar_of(tmp_path / "ratio.tgz", (member("zeros.csv"), bytes(big)))
    wide = Limits(members=50, total_bytes=100 * MIB, member_bytes=100 * MIB, free_bytes=MIB)
    for name in ("b.zip", "ratio.tgz"):
        assert "like a zip bomb" in reasons(take(tmp_path / name, limits=wide))
        assert "nothing further is read" in reasons(take(tmp_path / name))
    tar_of(tmp_path / "many.tgz", *(member(f"{number}.log") for number in range(60)))
    assert "more than 50 members" in reasons(take(tmp_path / "many.tgz"))
    skipped = member("skipped.csv", tarfile.CHRTYPE)
    with tarfile.open(tmp_path / "skip.tgz", "w:gz") as archive:
        skipped.size = 0
        archive.addfile(skipped)
        hidden = member("../hidden.csv")
        hidden.size = big
        archive.addfile(hidden, bomb(big))
    assert "like a zip bomb" in reasons(take(tmp_path / "skip.tgz", limits=wide))


@pytest.mark.slow
def test_headers_that_would_fill_the_memory_are_stopped(tmp_path):
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE):
        with gzip.open(tmp_path / "b.tgz", "wb") as file:
            info = member("header", kind)
            info.size = 200 * MIB
            file.write(info.tobuf(tarfile.USTAR_FORMAT))
            for _ in range(200):
                file.write(bytes(MIB))
        tracemalloc.start()
        found = take(tmp_path / "b.tgz", limits=Limits())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert "header is too long" in reasons(found)
        assert peak < 20 * MIB


def test_a_directory_of_a_zip_that_would_fill_the_memory_is_stopped(tmp_path):
    size = 9 * MIB
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 4, 0)
    (tmp_path / "b.zip").write_bytes(b"PK\3\4" + bytes(size) + end)
    assert "directory is too long" in reasons(take(tmp_path / "b.zip", limits=Limits()))


def test_archives_in_archives_are_opened_so_deep_and_no_deeper(tmp_path):
    inner = tmp_path / "inner.tgz"
    tar_of(inner, (member("deep.log"), b"x=1"))
    for level in range(4):
        content = inner.read_bytes()
        inner.unlink()
        inner = tar_of(
            tmp_path / f"level{level}.tgz",
            (member("inner.tgz"), content),
            (member(f"{level}.log"), b"%d" % level),
        )
    found = take(inner)
    assert "too deep" in reasons(found)
    names = {each.path for each in found.placed}
    assert {"logs/3.log", "logs/2.log", "logs/1.log"} <= names
    assert "logs/deep.log" not in names


@pytest.mark.parametrize("cut", [0, 1, 30, 200, 400])
def test_a_truncated_archive_gives_its_complete_members_and_a_report(tmp_path, cut):
    contents = [(member(f"{number}.log"), os.urandom(300)) for number in range(5)]
    whole = tar_of(tmp_path / "whole.tgz", *contents).read_bytes()
    (tmp_path / "b.tgz").write_bytes(whole[: len(whole) - 700 - cut])
    found = take(tmp_path / "b.tgz")
    assert "damaged" in reasons(found)
    assert 0 < len(found.placed) < 5


def test_a_damaged_member_of_a_zip_does_not_hide_the_others(tmp_path):
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("first.log", b"first" * 10)
        archive.writestr("second.log", b"second" * 10)
    raw = bytearray((tmp_path / "b.zip").read_bytes())
    place = raw.index(b"firstfirst")
    raw[place] ^= 0xFF
    (tmp_path / "b.zip").write_bytes(bytes(raw))
    found = take(tmp_path / "b.zip")
    assert "damaged" in reasons(found)
    assert [each.path for each in found.placed] == ["logs/second.log"]


def test_encrypted_and_oddly_compressed_members_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.log", b"a" * 100)
    assert "not compressed with deflate" in reasons(take(tmp_path / "b.zip"))


def test_no_bundle_at_all_is_one_line(tmp_path):
    with pytest.raises(IntakeError, match="no such file or folder"):
        ingest([Bundle(tmp_path / "none.tgz")], tmp_path / "results")
    os.mkfifo(tmp_path / "pipe.tgz")
    with pytest.raises(IntakeError, match="a pipe or a device"):
        ingest([Bundle(tmp_path / "pipe.tgz")], tmp_path / "results")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(min_size=1, max_size=150))
def test_any_name_becomes_a_plain_one(name):
    plain = safe_name(name)
    assert plain
    assert len(plain) <= 101
    assert "/" not in plain
    assert plain.isascii()
    assert plain.isprintable()
    assert plain not in {".", ".."}
    assert not plain.startswith((".", "-"))


NAMES = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=60),
    st.lists(
        st.sampled_from(["..", ".", "a", "$(id)", "~", "", "b.csv", "x.log"]), min_size=1, max_size=5
    ).map("/".join),
)
KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)


@given(members=st.lists(st.tuples(NAMES, KINDS, st.binary(max_size=200)), max_size=6))
def test_no_tar_of_any_members_reaches_outside(members):
    with tempfile.TemporaryDirectory() as folder:
        pairs = [
            (member(name, kind, "../../target"), content if kind == tarfile.REGTYPE else b"")
            for name, kind, content in members
        ]
        take(tar_of(Path(folder, "b.tgz"), *pairs))


@given(members=st.lists(st.tuples(NAMES, st.integers(0, 0xFFFF), st.binary(max_size=200)), max_size=6))
def test_no_zip_of_any_members_reaches_outside(members):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "b.zip")
        with zipfile.ZipFile(path, "w") as archive:
            for name, mode, content in members:
                info = zipfile.ZipInfo(name)
                info.external_attr = mode << 16
                if info.filename not in archive.namelist():
                    archive.writestr(info, content)
        take(path)


@given(data=st.data())
def test_no_damage_to_an_archive_does_harm(data):
    with tempfile.TemporaryDirectory() as folder:
        suffix = data.draw(st.sampled_from(["b.tar", "b.zip", "b.tgz"]))
        path = Path(folder, suffix)
        if suffix == "b.zip":
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("a.csv", b"file,mode\n" * 9)
                archive.writestr("b.json", b"{}")
        else:
            mode = "w" if suffix == "b.tar" else "w:gz"
            long = member("n" * 150 + ".log")
            tar_of(
                path,
                (member("a.csv"), b"file,mode\n" * 9),
                (long, b"x=1"),
                member("s", tarfile.SYMTYPE, "/"),
                mode=mode,
            )
        raw = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 8))):
            place = data.draw(st.integers(0, len(raw) - 1))
            raw[place] = data.draw(st.integers(0, 255))
        path.write_bytes(bytes(raw))
        take(path)
