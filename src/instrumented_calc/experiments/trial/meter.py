"""Time and values of each force call of a program, in its own process, until there are enough.

Much lighter than a recorder: a clock read before and after each calculation, its energy, and its forces now
and then.
"""

from __future__ import annotations

import functools
import hashlib
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIRST_FORCES = 20  # calls whose forces are kept; later those of calls 32, 64, 128, ...
MOST_FORCES = 64
FEWEST = 10  # calls before a limit of time ends the program
# Fewer are enough of calls of a second: runs differ by more than calls, and a trial has 15 runs or more.
FEWEST_SLOW, SLOW_S = 5, 5.0
# A program that catches SystemExit again and again is ended without its clean-up.
MOST_STOPS = 20


class EnoughCalls(SystemExit):
    """Ends the program as `sys.exit()` does: its `finally` blocks and exit functions run."""


class Meter:
    """Counts and times the outermost calculations of every calculator that is assigned to an `Atoms`.

    Args:
        path: File for the result, `.npz`.
        calls: Calls after which the program ends.
        seconds: Time after which it ends, s from the first call on; None: no limit.
        at_first_call: Called with the calculator at the start of the first call, before the clock starts.
        before_end: Called before the program is ended.
    """

    def __init__(
        self,
        path: Path,
        calls: int,
        seconds: float | None = None,
        at_first_call: Callable[[Any], None] = lambda _: None,
        before_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._path = path
        self._most = calls
        self._seconds = seconds
        self._at_first_call = at_first_call
        self._before_end = before_end
        self._depth = 0
        self._stops = 0
        self._starts: list[int] = []
        self._energies: list[float] = []
        self._sizes: list[int] = []
        self._forces: dict[int, Any] = {}
        self._first_positions = ""
        self._began = False
        self._watching: list[Callable[..., Any]] = []

    def install(self, ase: Any) -> None:
        """Watch every calculator that is assigned from now on.

        Args:
            ase: The package `ase`, imported.
        """
        atoms_class = ase.Atoms
        original = atoms_class.calc

        def assign(atoms: Any, calc: Any) -> None:
            self._watch(calc)
            original.fset(atoms, calc)

        atoms_class.calc = property(original.fget, assign, original.fdel, original.__doc__)

    def save(self) -> None:
        """Write the result; does nothing without a call."""
        if not self._energies:
            return
        import numpy as np

        forces = {f"forces_{index}": array for index, array in self._forces.items()}
        number = len(self._energies)
        np.savez(
            self._path,
            starts_ns=np.array(self._starts[: number + 1], np.int64),
            energies_ev=np.array(self._energies),
            sizes=np.array(self._sizes, np.int64),
            first_positions=np.array(self._first_positions),
            **forces,
        )

    def _watch(self, calc: Any) -> None:
        """Replace `calculate` of the class that defines it: copies of the calculator are watched, too."""
        owner = next((cls for cls in type(calc).__mro__ if "calculate" in vars(cls)), None)
        real = None if owner is None else vars(owner)["calculate"]
        if owner is None or not callable(real) or real in self._watching:
            return

        @functools.wraps(real)
        def calculate(calculator: Any, *args: Any, **kwargs: Any) -> Any:
            if self._depth:
                return real(calculator, *args, **kwargs)
            self._start(calculator)
            self._depth += 1
            try:
                returned = real(calculator, *args, **kwargs)
            finally:
                self._depth -= 1
            self._note(calculator, args[0] if args else kwargs.get("atoms"))
            return returned

        self._watching.append(calculate)
        owner.calculate = calculate  # type: ignore[attr-defined]  # of a class that has it

    def _start(self, calc: Any) -> None:
        if not self._began:
            self._began = True
            self._at_first_call(calc)
            self._watch(calc)  # from outside of what a remedy has put in place
        now = time.perf_counter_ns()
        done = len(self._energies)
        late = self._seconds is not None and done >= FEWEST_SLOW and self._is_late(done, now)
        # A call that failed has a start, and no energy.
        del self._starts[done:]
        self._starts.append(now)
        if done >= self._most or late:
            self._end()

    def _is_late(self, done: int, now_ns: int) -> bool:
        limit_s = self._seconds if done >= FEWEST else SLOW_S
        return limit_s is not None and now_ns - self._starts[0] > limit_s * 1e9

    def _end(self) -> None:
        self._stops += 1
        if self._stops == 1:
            self._before_end()
            self.save()
        if self._stops > MOST_STOPS:
            os._exit(0)
        raise EnoughCalls(0)

    def _note(self, calc: Any, atoms: Any) -> None:
        results = getattr(calc, "results", None) or {}
        index = len(self._energies)
        energy = results.get("energy")
        self._energies.append(float("nan") if energy is None else float(energy))
        self._sizes.append(0 if atoms is None else len(atoms))
        if index == 0 and atoms is not None:
            self._first_positions = hashlib.sha256(atoms.positions.tobytes()).hexdigest()
        wanted = index < FIRST_FORCES or index & (index - 1) == 0
        forces = results.get("forces") if wanted and len(self._forces) < MOST_FORCES else None
        if forces is not None:
            self._forces[index] = _array(forces)


def _array(values: Any) -> Any:
    import numpy as np

    return np.array(values.detach().cpu() if hasattr(values, "detach") else values, np.float64)
