"""Names of a JAX program's operations, from the program stored in a JAX trace.

A trace is a protocol buffer (XSpace) with one plane that holds every program of the process as XLA compiled
it (HloProto). JAX's own reader does not expose that plane, TensorFlow's would: so the few fields that lead
to an instruction's `op_name` are followed here by their numbers, which protocol buffers never reuse.
Specification: https://protobuf.dev/programming-guides/encoding/, xplane.proto, hlo.proto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS_PLANE = b"/host:metadata"
# Field numbers: XSpace, XPlane and its map of XEventMetadata, XStat; HloProto down to OpMetadata.
PLANES, PLANE_NAME, PLANE_PROGRAMS, MAP_VALUE = 1, 2, 4, 2
PROGRAM_NAME, PROGRAM_STATS, STAT_BYTES = 2, 5, 6
HLO_MODULE, COMPUTATIONS, INSTRUCTIONS = 1, 3, 2
INSTRUCTION_NAME, INSTRUCTION_METADATA, OP_NAME = 1, 7, 2
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5


def programs_of(xspace: bytes) -> dict[str, memoryview]:
    """Return the programs of a trace, as XLA's HloProto.

    Args:
        xspace: The trace.

    Returns:
        The contents by name and number, such as `jit_energy_and_forces(656)`.
    """
    found = {}
    for plane in _each(memoryview(xspace), PLANES):
        if next(map(bytes, _each(plane, PLANE_NAME)), b"") != PROGRAMS_PLANE:
            continue
        for pair in _each(plane, PLANE_PROGRAMS):
            for program in _each(pair, MAP_VALUE):
                name = "".join(str(each, "utf-8") for each in _each(program, PROGRAM_NAME))
                for stat in _each(program, PROGRAM_STATS):
                    for contents in _each(stat, STAT_BYTES):
                        found[name] = contents
    return found


def op_names(program: memoryview) -> dict[str, str]:
    """Return the place in the user's program of each instruction.

    Args:
        program: An HloProto.

    Returns:
        `jit(f)/embedding/dot_general` and the like by the instruction's name, such as `fusion.3`; a fusion
        has the name of its last operation.
    """
    names = {}
    for module in _each(program, HLO_MODULE):
        for computation in _each(module, COMPUTATIONS):
            for instruction in _each(computation, INSTRUCTIONS):
                name = op_name = ""
                for number, value in _fields(instruction):
                    if number == INSTRUCTION_NAME:
                        name = str(value, "utf-8")
                    elif number == INSTRUCTION_METADATA:
                        op_name = "".join(str(each, "utf-8") for each in _each(value, OP_NAME))
                if op_name:
                    names[name] = op_name
    return names


def _each(message: memoryview, number: int) -> Iterator[memoryview]:
    return (value for found, value in _fields(message) if found == number)


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield the fields of a message that hold text, bytes or messages, with their numbers."""
    place, end = 0, len(message)
    while place < end:
        tag, place = _varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == BYTES:
            length, place = _varint(message, place)
            yield number, message[place : place + length]
            place += length
        elif kind == VARINT:
            _, place = _varint(message, place)
        elif kind in {EIGHT_BYTES, FOUR_BYTES}:
            place += 8 if kind == EIGHT_BYTES else 4
        else:
            text = f"a field of kind {kind} in a trace of JAX"
            raise ValueError(text)


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    byte = message[place]
    place += 1
    if byte < 128:  # noqa: PLR2004 - the eighth bit says that more follows
        return byte, place
    value, shift = byte & 127, 7
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004 - the same
            return value, place
        shift += 7
