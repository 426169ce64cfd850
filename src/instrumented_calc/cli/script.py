"""Run a user's program as the interpreter itself would.

`sys.argv`, `sys.path[0]`, `__main__`, the traceback and the exit status are those of `python script.py`.
"""

from __future__ import annotations

import os
import pkgutil
import runpy
import sys
import zipfile
from importlib.machinery import PathFinder, SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from instrumented_calc.errors import InstrumentedCalcError
from instrumented_calc.journal.beginning import is_journal

if TYPE_CHECKING:
    from collections.abc import Sequence

START_BYTES = 4096  # read from a file: enough to recognise a Python program


class Script:
    """A program with its arguments: a file, a folder or archive with `__main__.py`, or a module.

    Args:
        words: Path of the program and its arguments; with `is_module`, a module name instead of the path.
        is_module: Whether a module is run, as `python -m` does.

    Attributes:
        failed: Whether it ended with an exception, whose traceback was shown.

    Raises:
        InstrumentedCalcError: The file is missing, unreadable or not a Python program.
    """

    def __init__(self, words: Sequence[str], *, is_module: bool) -> None:
        self._words = [*words]
        self._is_module = is_module
        self.failed = False
        if not is_module:
            check_program(words[0])

    def execute(self) -> None:
        """Run the program; show an exception as the interpreter does, and re-raise it."""
        sys.argv = self._words
        if self._is_module:
            run, own_file = self._run_module, None
        elif is_container(self._words[0]):
            run, own_file = self._run_container, None
        else:
            run, own_file = self._run_file, absolute(self._words[0])
        try:
            run()
        except SystemExit:
            raise
        except BaseException as error:
            self.failed = True
            _show(error, own_file)
            raise

    def _run_file(self) -> None:
        name = self._words[0]
        _put_first_on_path(os.path.dirname(os.path.realpath(name)))  # noqa: PTH120 - "" would become "."
        path = absolute(name)
        main = _new_main(path)
        main.__dict__["__cached__"] = None
        code = _code(path)
        loader = SourcelessFileLoader if _is_compiled(path) else SourceFileLoader
        main.__loader__ = loader("__main__", path)
        exec(code, main.__dict__)  # noqa: S102 - the purpose of the command

    def _run_container(self) -> None:
        path = absolute(self._words[0])
        _put_first_on_path(path)
        spec = PathFinder.find_spec("__main__", [path])
        if spec is None or spec.origin is None:
            message = f"can't find '__main__' module in {path!r}"
            raise ImportError(message)
        main = _new_main(spec.origin)
        main.__spec__, main.__loader__, main.__package__ = spec, spec.loader, ""
        loader: Any = spec.loader
        exec(loader.get_code("__main__"), main.__dict__)  # noqa: S102 - as above

    def _run_module(self) -> None:
        _put_first_on_path(os.getcwd())  # noqa: PTH109 - a string, as the interpreter has it
        runpy.run_module(self._words[0], run_name="__main__", alter_sys=True)


def check_program(name: str) -> None:
    """Check that Python can run the path.

    Raises:
        InstrumentedCalcError: It cannot.
    """
    if is_container(name):
        return
    path = Path(name)
    try:
        if path.is_dir():
            message = f"{name}: a folder without __main__.py; give a script"
            raise InstrumentedCalcError(message)
        can_be_read = path.is_file() or path.is_fifo() or path.is_char_device()
        start = b""
        if path.is_file():  # a pipe can be read only once
            with path.open("rb") as file:
                start = file.read(START_BYTES)
    except (OSError, ValueError) as error:
        message = f"{name}: {getattr(error, 'strerror', None) or error}; give a Python script"
        raise InstrumentedCalcError(message) from error
    if not can_be_read:
        hint = (
            "; to run a module: instrumented-calc run -m MODULE"
            if name.isidentifier()
            else "; give the path of a script"
        )
        message = f"{name}: no such script{hint}"
        raise InstrumentedCalcError(message)
    if is_journal(path):
        message = f"{name}: a journal, not a script; try: instrumented-calc report {name}"
        raise InstrumentedCalcError(message)
    if b"\0" in start and not _is_compiled(name):
        message = f"{name}: a binary file, not a Python script"
        raise InstrumentedCalcError(message)


def is_container(name: str) -> bool:
    """Return whether a path is a folder or archive with a `__main__.py`."""
    try:
        if Path(name).is_dir():
            return (Path(name) / "__main__.py").is_file()
        return zipfile.is_zipfile(name) if Path(name).is_file() else False
    except (OSError, ValueError):
        return False


def absolute(name: str) -> str:
    """Make a path absolute as the interpreter does: links and `..` are kept."""
    return name if os.path.isabs(name) else os.path.join(os.getcwd(), name.removeprefix("./"))  # noqa: PTH109, PTH117, PTH118 - pathlib would tidy it up


def _new_main(path: str) -> ModuleType:
    """Install a new `__main__` permanently: pickles and threads may outlive the program's last line."""
    main = ModuleType("__main__")
    main.__file__ = path
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = main
    return main


def _is_compiled(name: str) -> bool:
    return name.endswith(".pyc")


def _code(path: str) -> CodeType:
    with open(path, "rb") as file:  # noqa: PTH123 - the name as it is shown in tracebacks
        if _is_compiled(path):
            code: CodeType | None = pkgutil.read_code(file)
            if code is None:
                message = "Bad magic number in .pyc file"
                raise RuntimeError(message)
            return code
        return compile(file.read(), path, "exec", dont_inherit=True)


def _put_first_on_path(folder: str) -> None:
    if not getattr(sys.flags, "safe_path", sys.flags.isolated):
        sys.path[0] = folder


def _show(error: BaseException, own_file: str | None) -> None:
    """Show an exception with the program's own hook, without the frames above the program."""
    trace = error.__traceback__
    while trace is not None and not _is_first(trace.tb_frame.f_code, own_file):
        trace = trace.tb_next
    error.__traceback__ = trace
    sys.excepthook(type(error), error, trace)
    # The interpreter exits as usual for this exception, without printing it again.
    sys.excepthook = _nothing_more


def _is_first(code: CodeType, own_file: str | None) -> bool:
    if own_file is not None:
        return code.co_filename == own_file
    return code.co_name == "<module>" and code.co_filename not in (runpy.__file__, __file__)


def _nothing_more(*_: Any) -> None:
    pass
