"""Reduce a thread's stack to what a reader needs: user code by line, library code by function.

Only attributes of frames and code objects are read, never variables, so no code of the user's objects runs.
Of consecutive frames of one library the outermost (what was called) and the innermost (where the time is) are
kept; frames of the recorder are left out.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeAlias

from instrumented_calc.capture.places.code_origins import (
    BOUNDARY,
    DRIVER_CODE,
    OWN_WORK,
    USER,
    WRAPPER,
    CodeOrigins,
)
from instrumented_calc.journal.vocabulary import CALCULATOR, DRIVER, OBSERVERS, OUTSIDE, RECORDER

if TYPE_CHECKING:
    from types import FrameType

DEEPEST_WALK = 250  # frames that are read, innermost first
DEEPEST_KEPT = 40
MOST_PLACES = 10_000
ENDS_OF_A_RUN = 2  # the innermost and the outermost frame of a library
HAS_QUALIFIED_NAMES = sys.version_info >= (3, 11)
CALLS_OBSERVERS = "call_observers"


# A function of a library, or a line of the user's code: function, package, file, line.
CodePlace: TypeAlias = tuple[str, str, str, int]
# The part of the run that the thread was in; places, innermost first; how many of them, from the first, are
# inside the part, or inside the timed component in it.
ReducedStack: TypeAlias = tuple[str, tuple[CodePlace, ...], int]


class StackReducer:
    """Reduces stacks; equal places are one object."""

    def __init__(self) -> None:
        self._origin_of = CodeOrigins().of
        self._places: dict[CodePlace, CodePlace] = {}

    def reduced(  # noqa: C901, PLR0912 - one pass, ten times per second: no call is spent on structure
        self, frame: FrameType | None, *, calculates: bool
    ) -> ReducedStack:
        """Return a thread's stack, reduced.

        Args:
            frame: Its innermost frame.
            calculates: Whether a recorded call is open in the thread.
        """
        part = CALCULATOR if calculates else OUTSIDE
        places: list[CodePlace] = []
        inside: int | None = None
        library, run = USER, 0  # of the last frame, and how many in succession
        origin_of = self._origin_of
        for _ in range(DEEPEST_WALK):
            if frame is None:
                break
            code = frame.f_code
            filename = code.co_filename
            package, role = origin_of(filename)
            if role is BOUNDARY or role is OWN_WORK or role is WRAPPER:
                library = USER
                if calculates and inside is None and role is BOUNDARY:
                    inside = len(places)
                elif part is OUTSIDE and role is OWN_WORK:
                    part, inside = RECORDER, 0
                    places.clear()
                frame = frame.f_back
                continue
            name = code.co_qualname if HAS_QUALIFIED_NAMES else code.co_name
            if package == USER:
                library = USER
                places.append((name, USER, filename, frame.f_lineno or _line_before(frame)))
            else:
                run = run + 1 if package == library else 1
                library = package
                if run > ENDS_OF_A_RUN:
                    places.pop()
                places.append((name, package, "", 0))
            if part is OUTSIDE:
                if code.co_name == CALLS_OBSERVERS:
                    part, inside = OBSERVERS, max(len(places) - 1, 1)
                elif role is DRIVER_CODE:
                    part, inside = DRIVER, len(places)
            frame = frame.f_back
        if inside is None:
            inside = len(places)
        while len(places) > inside and places[-1][1] != USER:  # what started the user's program
            places.pop()
        kept = self._shared(places[:DEEPEST_KEPT])
        return part, kept, min(inside, len(kept))

    def _shared(self, places: list[CodePlace]) -> tuple[CodePlace, ...]:
        known = self._places
        if len(known) > MOST_PLACES:
            known.clear()
        return tuple([known.setdefault(place, place) for place in places])


def _line_before(frame: FrameType) -> int:
    """Return the line before a frame's instruction that has none.

    Such is the jump back at the end of a loop's body, if the body ends with a branch. CPython lets other
    threads run at jumps, so all samples of such a loop are taken there.
    """
    found = frame.f_code.co_firstlineno
    for start, _, line in frame.f_code.co_lines():
        if start > frame.f_lasti:
            break
        found = line or found
    return found
