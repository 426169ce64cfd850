"""The journal's file: whole lines, in order, whatever the kernel answers."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instrumented_calc.errors import JournalPathError
from instrumented_calc.journal import writer as writer_module
from instrumented_calc.journal.mounts import on_network_file_system
from instrumented_calc.journal.writer import JournalWriter, check_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., JournalWriter]


@pytest.fixture
def messages() -> list[str]:
    """Collect the messages to the user."""
    return []


@pytest.fixture
def make(messages: list[str]) -> Iterator[Make]:
    """Give a maker of writers that are closed after the test."""
    made: list[JournalWriter] = []

    def make(name: str = "run.jsonl") -> JournalWriter:
        made.append(JournalWriter(Path(name), on_trouble=messages.append))
        return made[-1]

    yield make
    for writer in made:
        writer.close()


class Disk:
    """Stands in for `os.write`: takes as many bytes as it has room for.

    Args:
        room: Bytes that fit.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.write

    def write(self, fd: int, data: bytes) -> int:
        """Write as much as fits, or fail as a full disk does."""
        if data and not self.room:
            raise OSError(28, "No space left on device")
        written = self._write(fd, data[: self.room])
        self.room -= written
        return written


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Give a disk that is full until the test makes room."""
    disk = Disk(0)
    monkeypatch.setattr(os, "write", disk.write)
    return disk


def _read(name: str = "run.jsonl") -> bytes:
    return Path(name).read_bytes()


def test_lines_are_in_the_file_when_write_returns(make: Make) -> None:
    writer = make()
    assert writer.write(b"one\n")
    assert _read() == b"one\n"
    assert writer.write(b"two\nthree\n")
    assert _read() == b"one\ntwo\nthree\n"
    assert (writer.size, writer.lost) == (14, 0)


def test_nothing_is_ever_overwritten(make: Make) -> None:
    Path("run.jsonl").write_text("mine")
    Path("run-2.jsonl").write_text("mine too")
    writers = [make(), make()]
    assert [writer.path.name for writer in writers] == ["run-3.jsonl", "run-4.jsonl"]
    assert (_read(), _read("run-2.jsonl")) == (b"mine", b"mine too")


def test_a_link_that_leads_nowhere_counts_as_taken(make: Make) -> None:
    Path("run.jsonl").symlink_to("elsewhere")
    assert make().path.name == "run-2.jsonl"
    assert not Path("elsewhere").exists()


def test_the_descriptor_is_not_inherited_by_programs_that_are_started(make: Make) -> None:
    writer = make()
    assert not os.get_inheritable(writer._file.number)


def test_the_journal_never_takes_the_place_of_stderr(make: Make) -> None:
    saved = os.dup(2)
    os.close(2)
    try:
        writer = make()
        assert writer._file.number > 2
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(2, b"not for the journal")
    finally:
        os.dup2(saved, 2)
        os.close(saved)
    assert _read() == b""


def test_a_cut_line_is_completed_first(make: Make, disk: Disk, messages: list[str]) -> None:
    writer = make()
    disk.room = 6
    assert writer.write(b"first\nsecond\n")
    assert writer.write(b"third\n")
    assert _read() == b"first\n"
    disk.room = 3
    assert writer.write(b"")
    assert _read() == b"first\nsec"
    disk.room = 100
    assert writer.write(b"fourth\n")
    assert _read() == b"first\nsecond\nthird\nfourth\n"
    assert writer.lost == 0
    assert len(messages) == 1
    assert messages[0].startswith(f"{writer.path}: No space left on device")


def test_trouble_is_reported_again_when_it_comes_back(make: Make, disk: Disk, messages: list[str]) -> None:
    writer = make()
    for _ in range(2):
        disk.room = 0
        writer.write(b"one\n")
        writer.write(b"two\n")
        disk.room = 100
        writer.write(b"")
    assert len(messages) == 2


def test_past_the_limit_lines_are_counted_and_dropped_whole(
    make: Make, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "WAITING_LIMIT", 10)
    writer = make()
    assert writer.write(b"0123456789\n")
    assert not writer.write(b"lost\nlost\n")
    assert writer.lost == 2
    disk.room = 100
    assert writer.write(b"kept\n")
    assert _read() == b"0123456789\nkept\n"
    assert writer.lost == 2


def test_lines_queued_at_close_are_lost(make: Make, disk: Disk) -> None:
    writer = make()
    writer.write(b"one\ntwo\n")
    writer.close()
    assert writer.lost == 2
    assert not writer.write(b"three\n")
    assert writer.lost == 3


def test_after_close_nothing_reaches_a_file_with_the_same_descriptor(make: Make) -> None:
    writer = make()
    writer.write(b"one\n")
    writer.close()
    with Path("other").open("wb") as other:
        assert not writer.write(b"two\n")
        other.flush()
    writer.close()
    assert (_read(), _read("other"), writer.lost) == (b"one\n", b"", 1)


@pytest.mark.parametrize("taken", [True, False])
def test_ctrl_c_in_a_write_neither_loses_nor_doubles_lines(
    make: Make, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, struck = os.write, []

    def strike(fd: int, data: bytes) -> int:
        if struck:
            return write(fd, data)
        struck.append(data)
        if taken:
            write(fd, data)
        raise KeyboardInterrupt

    writer = make()
    writer.write(b"one\n")
    monkeypatch.setattr(os, "write", strike)
    with pytest.raises(KeyboardInterrupt):
        writer.write(b"two\n")
    assert writer.write(b"three\n")
    assert _read() == b"one\ntwo\nthree\n"
    assert writer.lost == 0


def test_a_file_that_is_removed_or_replaced_is_noticed_and_made_again(make: Make) -> None:
    writer = make()
    writer.write(b"one\ntwo\n")
    assert not writer.vanished()
    writer.path.unlink()
    assert writer.vanished()
    writer.path.write_text("somebody else's\n")
    assert writer.vanished()
    writer.reopen()
    assert not writer.vanished()
    assert writer.lost == 2
    writer.write(b"three\n")
    assert writer.path.name == "run-2.jsonl"
    assert _read("run-2.jsonl") == b"three\n"
    assert _read() == b"somebody else's\n"


def test_a_file_that_cannot_be_made_is_an_error_that_says_how_to_continue(make: Make) -> None:
    with pytest.raises(JournalPathError, match="No such file or directory; pass journal="):
        make("missing/run.jsonl")


def test_a_directory_is_checked_without_making_anything() -> None:
    check_directory(Path.cwd() / "run.jsonl")
    with pytest.raises(JournalPathError, match="no such directory"):
        check_directory(Path.cwd() / "missing" / "run.jsonl")
    assert list(Path.cwd().iterdir()) == []


MOUNTS = b"""\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /home rw - nfs4 server:/home rw
31 22 0:41 / /scratch rw shared:5 - lustre server:/scratch rw
32 31 0:42 / /scratch/local rw - xfs /dev/sdb1 rw
33 22 0:43 / /my\\040disk rw - fuse.sshfs host: rw
34 22 0:44 / /homely rw - tmpfs tmpfs rw
35 22 0:45 / /r\xc3\xa9sultats rw - nfs4 server:/r rw
36 22 0:46 / /old\xff rw - nfs4 server:/o rw
37 22 0:47 / /u\xe2\x80\xa8v\xc2\x85w rw - nfs4 server:/u rw
38 22 0:48 / /back\\134slash\\011tab rw - cifs //server/x rw
torn line
"""


@pytest.mark.parametrize(
    ("name", "network"),
    [
        (b"/run.jsonl", False),
        (b"/home/me/run.jsonl", True),
        (b"/homely/run.jsonl", False),
        (b"/scratch/run.jsonl", True),
        (b"/scratch/local/run.jsonl", False),
        (b"/my disk/run.jsonl", True),
        (b"/r\xc3\xa9sultats/run.jsonl", True),
        (b"/old\xff/run.jsonl", True),
        (b"/u\xe2\x80\xa8v\xc2\x85w/run.jsonl", True),
        (b"/back\\slash\ttab/run.jsonl", True),
    ],
)
def test_the_innermost_mount_reports_whether_a_server_may_hang(
    name: bytes, network: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda *_, **__: MOUNTS)
    monkeypatch.setattr(Path, "resolve", lambda path: path)
    assert on_network_file_system(Path(os.fsdecode(name))) is network


@pytest.mark.parametrize("kind", ["dvs", "virtiofs", "vboxsf", "orangefs", "daos", "GPFS", "fuse.dfuse"])
def test_file_systems_of_other_hosts_are_recognised(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"31 22 0:41 / /scratch rw shared:5 - {kind} server:/scratch rw\n".encode()
    monkeypatch.setattr(Path, "read_bytes", lambda *_, **__: line)
    monkeypatch.setattr(Path, "resolve", lambda path: path)
    assert on_network_file_system(Path("/scratch/run.jsonl"))


def test_where_mounts_are_not_listed_a_file_counts_as_local(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(path: Path, **_: Any) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_bytes", missing)
    assert on_network_file_system(Path("run.jsonl")) is False


def test_a_descriptor_that_the_program_has_closed_is_opened_again(make: Make, messages: list[str]) -> None:
    writer = make()
    writer.write(b"one\n")
    number = writer._file.number
    os.close(number)
    with Path("other").open("wb", buffering=0) as other:  # has the number now
        assert other.fileno() == number
        assert writer.look()
        writer.write(b"two\n")
        writer.close()
        other.write(b"theirs")  # and its file is still open
    assert (_read(), _read("other"), writer.lost, len(messages)) == (b"one\ntwo\n", b"theirs", 0, 1)


@pytest.mark.parametrize("taken", [True, False], ids=["reused", "closed"])
def test_a_descriptor_that_is_not_the_journals_is_neither_written_nor_closed(make: Make, taken: bool) -> None:
    writer = make()
    writer.write(b"one\n")
    number = writer._file.number
    os.close(number)
    if taken:
        assert os.open("other", os.O_WRONLY | os.O_CREAT) == number
    writer.path.unlink()
    os.mkfifo(writer.path)  # to open it must not wait for a reader
    assert not writer.look()
    assert writer.gone
    writer.push()
    writer.reopen()
    assert writer.write(b"two\n")
    assert (writer.path.name, writer.lost) == ("run-2.jsonl", 1)
    assert _read("run-2.jsonl") == b"two\n"
    if taken:
        assert _read("other") == b""
        os.close(number)


@pytest.mark.parametrize("size", [0, 5])
def test_a_file_that_was_truncated_is_left_and_its_rows_are_counted(make: Make, size: int) -> None:
    writer = make()
    writer.write(b"one\ntwo\nthree\n")
    os.truncate(writer.path, size)
    assert not writer.look()
    writer.reopen()
    assert writer.look()
    writer.write(b"four\n")
    assert writer.lost == 3
    assert _read("run-2.jsonl") == b"four\n"


@pytest.mark.parametrize("kept", [0, 300])
def test_a_file_that_was_truncated_and_extended_is_left(make: Make, kept: int) -> None:
    writer = make()
    writer.write(b"".join(b'{"number": %d}\n' % number for number in range(100)))
    writer.look_inside()
    assert writer.gone is None
    os.truncate(writer.path, kept)
    os.truncate(writer.path, 10_000)
    assert writer.look()
    writer.look_inside()
    assert writer.gone == "truncated and extended again"
    writer.reopen()
    assert writer.lost == 100


def test_a_file_to_which_others_append_is_not_left(make: Make) -> None:
    writer = make()
    writer.write(b'{"number": 1}\n' * 100)
    with writer.path.open("ab") as other:
        other.write(b"a note\n" * 1000)
    writer.look_inside()
    assert writer.look()


def test_the_rows_of_a_file_that_was_moved_are_not_lost(make: Make) -> None:
    writer = make()
    writer.write(b"one\n")
    moved = writer.path.rename("moved.jsonl")
    assert writer.vanished()
    assert writer.is_moved
    writer.accept(b"two\n")
    writer.reopen()
    writer.write(b"three\n")
    assert (moved.read_bytes(), writer.path.read_bytes()) == (b"one\ntwo\n", b"three\n")
    assert writer.lost == 0
    writer.path.unlink()
    assert writer.vanished()
    assert not writer.is_moved


def test_where_no_new_file_can_be_made_a_truncated_one_is_written_on(make: Make) -> None:
    writer = make()
    writer.write(b"one\ntwo\n")
    os.truncate(writer.path, 0)
    assert not writer.look()
    writer.resume()
    assert writer.look()
    writer.write(b"three\n")
    assert (_read(), writer.lost) == (b"three\n", 2)


def test_a_close_that_fails_is_reported_and_raises_nothing(
    make: Make, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make()
    writer.write(b"one\n")
    close = os.close

    def over_quota(fd: int) -> None:
        close(fd)
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "close", over_quota)
    writer.close()
    writer.close()
    assert len(messages) == 1
    assert "quota" in messages[0]


lines = st.binary(max_size=12).map(lambda text: text.replace(b"\n", b" ") + b"\n")
steps = st.lists(st.tuples(st.lists(lines, max_size=4), st.integers(0, 40)), max_size=20)


@given(steps)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_full_the_disk_the_file_is_a_prefix_of_the_kept_lines(
    tmp_path: Path, steps: list[tuple[list[bytes], int]]
) -> None:
    disk = Disk(0)
    writer = JournalWriter(tmp_path / "any.jsonl", on_trouble=lambda _: None)
    kept, dropped = b"", 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", disk.write)
        patch.setattr(writer_module, "WAITING_LIMIT", 30)
        for batch, room in steps:
            disk.room = room
            joined = b"".join(batch)
            if writer.write(joined):
                kept += joined
            else:
                dropped += len(batch)
            assert kept.startswith(writer.path.read_bytes())
        assert writer.lost == dropped
        assert writer.size == len(kept)
        disk.room = 10**6
        writer.write(b"")
        assert writer.path.read_bytes() == kept
        writer.close()
        writer.path.unlink()
        assert writer.lost == dropped
