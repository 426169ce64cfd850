"""Damage journals at random, and read them in every way: nothing may come of it but one line.

    python -m tests.journal.mutations 20000 [seed]

runs that many cases and prints the slowest one and the peak memory. A case may take 2 s of CPU time and the
process 300 MB.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from tests.journal.specimens import specimens

from instrumented_calc.analysis.comparison.changes import contraction_changes, finding_changes, memory_changes
from instrumented_calc.analysis.comparison.comparison import compare
from instrumented_calc.analysis.comparison.measured_run import run_of_summary
from instrumented_calc.analysis.read_run import ReadRun
from instrumented_calc.analysis.rules.catalogue import judge
from instrumented_calc.analysis.summary import summarize
from instrumented_calc.errors import InstrumentedCalcError
from instrumented_calc.journal.first_energies import read_energies
from instrumented_calc.journal.reader import read_journal
from instrumented_calc.journal.validation import validate_journal
from instrumented_calc.own_process import memory_in_use
from instrumented_calc.reporting.comparison import build_comparison, render_comparison_json
from instrumented_calc.reporting.forms.chrome import render_chrome
from instrumented_calc.reporting.forms.markdown import render_markdown
from instrumented_calc.reporting.forms.text import render_text
from instrumented_calc.reporting.run.final_summary import closing_text
from instrumented_calc.reporting.run.json_report import render_json
from instrumented_calc.reporting.run.report import build_report

if TYPE_CHECKING:
    from collections.abc import Callable

CPU_LIMIT_S, MEMORY_LIMIT_MB = 2.0, 300.0
LONGEST_ERROR = 300
COMPARED_EVERY = 4
SHOWN = 10  # failures
ODD_VALUES = (
    *(b"-1", b"0", b"1", b"1e400", b"-1e308", b"1e300", b"1.5", b"NaN", b"Infinity", b"null", b"true", b'""'),
    *(b"4611686018427387904", b"4611686018427387903", b"9223372036854775807", b"18446744073709551616"),
    *(b"1180591620717411303424", b"9" * 400, b"100000", b"300000000000", b"1887", b"1888", b"[]", b"{}"),
    *(b'"\\u001b[31m\\u202e"', b'"' + b"x" * 5000 + b'"', b'"\\ud800"', b"[" * 3000 + b"]" * 3000),
    *(b'{"a":' * 900 + b"1" + b"}" * 900, b'["cuda"]', b'"float65[9,9,9,9]"', b'"complex"', b'{"x":"y"}'),
)


def flip_bits(content: bytearray, dice: random.Random) -> bytearray:
    """Change some bits."""
    for _ in range(dice.randint(1, 30)):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return content


def overwrite(content: bytearray, dice: random.Random) -> bytearray:
    """Put NUL or random bytes in the place of a block."""
    at, length = _block(content, dice)
    content[at : at + length] = bytes(length) if dice.random() < 0.5 else dice.randbytes(length)
    return content


def cut(content: bytearray, dice: random.Random) -> bytearray:
    """Take a block out."""
    at, length = _block(content, dice)
    del content[at : at + length]
    return content


def repeat(content: bytearray, dice: random.Random) -> bytearray:
    """Put a copy of a block somewhere."""
    at, length = _block(content, dice)
    there = dice.randrange(len(content) + 1)
    content[there:there] = content[at : at + length]
    return content


def move(content: bytearray, dice: random.Random) -> bytearray:
    """Move a block."""
    at, length = _block(content, dice)
    block = content[at : at + length]
    del content[at : at + length]
    there = dice.randrange(len(content) + 1)
    content[there:there] = block
    return content


def truncate(content: bytearray, dice: random.Random) -> bytearray:
    """Keep the beginning or the end."""
    at = dice.randrange(len(content) + 1)
    return content[:at] if dice.random() < 0.7 else content[at:]


def move_lines(content: bytearray, dice: random.Random) -> bytearray:
    """Shuffle, drop or repeat whole lines."""
    lines = bytes(content).split(b"\n")
    for _ in range(dice.randint(1, 5)):
        line = lines.pop(dice.randrange(len(lines))) if len(lines) > 1 else lines[0]
        for _ in range(dice.choice((0, 1, 1, 2, 3))):
            lines.insert(dice.randrange(len(lines) + 1), line)
    return bytearray(b"\n".join(lines))


def odd_values(content: bytearray, dice: random.Random) -> bytearray:
    """Put odd values in the place of some."""
    lines = bytes(content).split(b"\n")
    for _ in range(dice.randint(1, 6)):
        place = _line(lines, dice)
        lines[place] = _with_odd_value(lines[place], dice)
    return bytearray(b"\n".join(lines))


def odd_values_everywhere(content: bytearray, dice: random.Random) -> bytearray:
    """Put one odd value in the place of a field's values in all lines."""
    keys = sorted({part.rpartition(b'"')[2] for part in bytes(content).split(b'":')[:-1]})
    key, value = dice.choice(keys or [b"event"]), dice.choice(ODD_VALUES)
    lines = bytes(content).split(b"\n")
    return bytearray(b"\n".join(_set(line, key, value) for line in lines))


MUTATIONS: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    *(flip_bits, overwrite, cut, repeat, move, truncate, move_lines),
    *(odd_values, odd_values, odd_values, odd_values_everywhere, odd_values_everywhere),
)


def mutated(content: bytes, dice: random.Random) -> bytes:
    """Return a journal with one to three kinds of damage."""
    damaged = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 3))):
        if damaged:
            damaged = dice.choice(MUTATIONS)(damaged, dice)
    return bytes(damaged)


def _block(content: bytearray, dice: random.Random) -> tuple[int, int]:
    length = min(len(content), int(2 ** dice.uniform(0, 15)))
    return dice.randrange(len(content) - length + 1), length


def _line(lines: list[bytes], dice: random.Random) -> int:
    """Choose a line; lines other than rows are rare and hold most kinds of values."""
    rare = [place for place, line in enumerate(lines) if not line.startswith(b'{"event":"call"')]
    return dice.choice(rare) if rare and dice.random() < 0.7 else dice.randrange(len(lines))


def _with_odd_value(line: bytes, dice: random.Random) -> bytes:
    keys = [part.rpartition(b'"')[2] for part in line.split(b'":')[:-1]]
    return _set(line, dice.choice(keys), dice.choice(ODD_VALUES)) if keys else line


def _set(line: bytes, key: bytes, value: bytes) -> bytes:
    """Set the value of the first such key, however it is nested."""
    before, found, rest = line.partition(b'"' + key + b'":')
    if not found:
        return line
    depth, inside = 0, False
    for place, code in enumerate(rest):
        mark = chr(code)
        if mark == '"':
            inside = not inside
        elif not inside and mark in "[{":
            depth += 1
        elif not inside and mark in "]}" and depth:
            depth -= 1
        elif not inside and not depth and mark in ",]}":
            return before + found + value + rest[place:]
    return before + found + value


def read_in_every_way(path: Path, sound: Path, *, comparing: bool = True) -> str | None:
    """Read, judge, report, validate and compare a journal.

    Args:
        path: The journal.
        sound: One that is whole, to compare it with.
        comparing: Whether to compare it, which takes longer than all else.

    Returns:
        The error message, or None if it was read.
    """
    try:
        journal = read_journal(path)
    except InstrumentedCalcError as error:
        refused = str(error)
        assert "\n" not in refused
        assert len(refused) < LONGEST_ERROR
        return refused
    finally:
        try:
            validate_journal(path)
        except InstrumentedCalcError as error:
            assert len(str(error)) < LONGEST_ERROR  # noqa: PT017 - both outcomes are right
    summary = summarize(journal)
    findings = judge(summary)
    document = build_report([ReadRun(summary, findings)])
    assert "\x1b" not in render_text(document) + render_markdown(document) + closing_text(summary, findings)
    render_json([ReadRun(summary, findings)])
    render_chrome([journal])
    if not comparing:
        read_energies(path)
        return None
    sides = [[run_of_summary(summary, read_energies(path))], [_sound_run(sound)]]
    parts = (contraction_changes(*sides), memory_changes(*sides), finding_changes(*sides), [])
    compared = compare(*sides)
    render_text(build_comparison(compared, *parts))
    render_comparison_json(compared, *parts)
    return None


_SOUND: dict[Path, object] = {}


def _sound_run(path: Path):
    if path not in _SOUND:
        _SOUND[path] = run_of_summary(summarize(read_journal(path)), read_energies(path))
    return _SOUND[path]


def case(number: int, seed: int) -> bytes:
    """Return the journal of a case."""
    dice = random.Random(f"{seed} {number}")  # noqa: S311 - damage, not secrets
    return mutated(dice.choice(SPECIMENS), dice)


SPECIMENS = specimens()


def main(cases: int, seed: int = 0) -> int:
    """Run cases and print their time and memory; return the exit code."""
    warnings.simplefilter("error")
    slowest, failed, refused = (0.0, -1), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path, sound = Path(folder, "damaged.jsonl"), Path(folder, "sound.jsonl")
        sound.write_bytes(SPECIMENS[0])
        for number in range(cases):
            path.write_bytes(case(number, seed))
            began = time.process_time()
            try:
                comparing = number % COMPARED_EVERY == 0
                refused += read_in_every_way(path, sound, comparing=comparing) is not None
            except Exception:  # noqa: BLE001 - the point of it
                failed += 1
                if failed <= SHOWN:
                    print(f"case {number} of seed {seed}:", traceback.format_exc(limit=-4))  # noqa: T201 - for those who run it
            slowest = max(slowest, (time.process_time() - began, number))
    resident, peak = memory_in_use()
    peak_mb = (peak or resident) / 1e6
    print(f"{cases:,} cases, {refused:,} refused, {failed:,} failed")  # noqa: T201 - as above
    print(f"slowest {slowest[0]:.2f} s of CPU (case {slowest[1]}), peak {peak_mb:.0f} MB")  # noqa: T201 - as above
    return int(bool(failed) or slowest[0] > CPU_LIMIT_S or peak_mb > MEMORY_LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *map(int, sys.argv[2:])))
