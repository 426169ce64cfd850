"""Options of the commands that compare runs, and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from instrumented_calc.analysis.comparison.decision import Unsure
from instrumented_calc.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from instrumented_calc.analysis.comparison.measured_run import MeasuredRun
    from instrumented_calc.analysis.comparison.speed_limits import SpeedLimit

MaxSlowdownOption = Annotated[
    str | None,
    typer.Option(
        metavar="5%",
        help="Exit 1 if the whole 95 % interval of the slowdown is above this. "
        "Without any limit, gate applies 5%.",
    ),
]
RequireSpeedupOption = Annotated[
    str | None,
    typer.Option(metavar="5x", help="Exit 1 if the whole 95 % interval of the speedup is below this."),
]
AllowOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY", help="Key under test that may differ: threads, dtype, libraries, torch, values, ..."
    ),
]
EnergyToleranceOption = Annotated[
    float | None,
    typer.Option(min=0, metavar="EV", help="Largest accepted energy difference, eV per atom."),
]
ForceToleranceOption = Annotated[
    float | None,
    typer.Option(min=0, metavar="EV/A", help="Largest accepted difference of a force, eV/A."),
]
UnsureOption = Annotated[
    Unsure,
    typer.Option(help="What `not sure` means: tell: exit 3; fail: exit 1; ignore: exit 0."),
]


def limits_of(max_slowdown: str | None, require_speedup: str | None) -> list[SpeedLimit]:
    """Return the limits that the user gave."""
    from instrumented_calc.analysis.comparison import speed_limits

    limits = [speed_limits.max_slowdown(max_slowdown)] if max_slowdown else []
    return limits + ([speed_limits.least_speedup(require_speedup)] if require_speedup else [])


def words_of(allow: Sequence[str] | None) -> list[str]:
    """Return the words of `--allow`, which may be repeated and may hold several, separated by commas."""
    return [word for text in allow or () for word in text.split(",")]


def allowed_keys(allow: Sequence[str] | None, runs: Sequence[MeasuredRun]) -> list[str]:
    """Return the words of `--allow`.

    Raises:
        TargetError: One is neither a key nor a name in a run's evidence.
    """
    from instrumented_calc.analysis.comparison.hardware import KEYS, VALUES, is_known_key

    allowed = words_of(allow)
    for word in allowed:
        if not is_known_key(word, [run.evidence for run in runs]):
            keys = ", ".join((*KEYS, VALUES))
            message = f"--allow {word}: unknown key; known keys: {keys}, or a library name"
            raise TargetError(message)
    return allowed
