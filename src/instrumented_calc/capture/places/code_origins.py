"""Who a source file belongs to: the recorder, a library, or the user."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

USER = ""
MOST_FILES = 5_000

_PACKAGE = Path(__file__).parents[2]
_CAPTURE = _PACKAGE / "capture"
# Our code that is not the recorder's, but runs simulations.
_PROGRAMS = tuple(f"{_PACKAGE / folder}{os.sep}" for folder in ("experiments", "cli"))
# Recorder code that runs the calculator or a timed part: frames further in belong to the call or the part.
_BOUNDARIES = tuple(f"{_CAPTURE / folder}{os.sep}" for folder in ("wrapping", "parts"))
# Recorder code that runs the user's or a library's functions in their places.
_WRAPPERS = (str(_CAPTURE / "run" / "observers.py"), str(_CAPTURE / "counting" / "torch_conversions.py"))
# Recorder code that runs in place of a function of a library.
_STAND_INS = {
    str(_CAPTURE / "counting" / "numpy_einsum.py"): "numpy",
    str(_CAPTURE / "counting" / "torch_einsum.py"): "torch",
}
_DRIVERS = re.compile(r"[/\\]ase[/\\](?:md|optimize|mep|ga|_4[/\\]optimize)[/\\](?!logger\.py)")
_INSTALLED = re.compile(r"[/\\](?:site|dist)-packages[/\\]([^/\\]+)")
_STANDARD = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib")})
_SCRIPTS = f"{Path(sys.prefix) / 'bin'}{os.sep}"
# Code that Python or a library makes. Other names in <> are the user's: typed in, or given by `-c`.
_MADE = re.compile(r"<(?:frozen (?P<module>\w+)|__array_function__|attrs|eval_with_key|lambdifygenerated)")


# What the frames of a file mean in a stack.
ELSEWHERE = "code of the user or a library"
DRIVER_CODE = "ASE's integrators and optimizers"
BOUNDARY = "the recorder, running the calculator or a timed part"
WRAPPER = "the recorder, running another function"
OWN_WORK = "the recorder, working"


class CodeOrigin(NamedTuple):
    """Who a source file belongs to.

    Attributes:
        package: Top-level name of the library; `USER` for the user's own code, and for the recorder.
        role: What its frames mean.
    """

    package: str
    role: str = ELSEWHERE


class CodeOrigins:
    """The origins of source files, found by their names and remembered."""

    def __init__(self) -> None:
        self._known: dict[str, CodeOrigin] = {}

    def of(self, filename: str) -> CodeOrigin:
        """Return the origin of a file.

        Args:
            filename: As code objects name it.
        """
        found = self._known.get(filename)
        if found is None:
            if len(self._known) >= MOST_FILES:
                self._known.clear()
            found = self._known[filename] = origin_of(filename)
        return found


def origin_of(filename: str) -> CodeOrigin:
    """Return the origin of a source file, as code objects name it."""
    if filename in _STAND_INS:
        return CodeOrigin(_STAND_INS[filename])
    if filename.startswith(f"{_PACKAGE}{os.sep}") and not filename.startswith(_PROGRAMS):
        if filename in _WRAPPERS:
            return CodeOrigin(USER, WRAPPER)
        return CodeOrigin(USER, BOUNDARY if filename.startswith(_BOUNDARIES) else OWN_WORK)
    return CodeOrigin(_package_of(filename), DRIVER_CODE if _DRIVERS.search(filename) else ELSEWHERE)


def _package_of(filename: str) -> str:
    if filename.startswith(f"{_PACKAGE}{os.sep}"):
        return _PACKAGE.name
    installed = _INSTALLED.search(filename)
    if installed:
        return installed[1].removesuffix(".py")
    for folder in _STANDARD:
        if filename.startswith(folder):
            return re.split(r"[/\\]", filename[len(folder) :], maxsplit=1)[0].removesuffix(".py")
    if filename.startswith(_SCRIPTS):
        return Path(filename).name
    made = _MADE.match(filename)
    if made:
        return made["module"] or "generated code"
    return USER
