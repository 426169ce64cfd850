"""Upper floors of capture as the lower ones see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping, Sequence

    from instrumented_calc.capture.settings import Settings
    from instrumented_calc.integration import Part


class ConversionCounts(Protocol):
    """The counts of a run, as the patches that count conversions see them."""

    @property
    def unseen(self) -> set[str]:
        """Functions that convert but cannot be counted."""


class CountingMaker(Protocol):
    """The maker of a run's rows, as seen by counters and listeners during calls."""

    @property
    def clock(self) -> Callable[[], int]:
        """The run's clock, in ns."""

    @property
    def signatures(self) -> ConversionCounts:
        """Counts of contractions and conversions of the run."""


class RecordedRun(Protocol):
    """A run, as its lanes see it.

    Attributes:
        may_stay_unused: Whether the run may end without a call, as copies calculate in other processes.
    """

    may_stay_unused: bool

    @property
    def settings(self) -> Settings:
        """The user's settings."""

    @property
    def run_id(self) -> str:
        """Its id."""

    @property
    def lanes(self) -> MutableMapping[int, Any]:
        """Its lanes by their ids, weakly held."""

    @property
    def maker(self) -> Any:
        """The maker of its rows while calls are recorded, else None."""

    @property
    def windows(self) -> Any:
        """Its trace windows, or None before it records."""

    @property
    def step_profiling(self) -> Any:
        """Its step profiles, or None before it records."""

    def ready(self) -> Any:
        """Return the maker of its rows, starting to record at the first call; None if it does not record."""

    def number_of(self, calculator: Any) -> int:
        """Return a calculator's lane number."""

    def time_libraries(self) -> None:
        """Time functions of the libraries that are loaded, such as neighbour lists."""

    def lose_row(self) -> None:
        """Count a call whose row could not be made."""

    def fault(self, where: str, error: BaseException) -> None:
        """Count an internal error and report the first."""

    def let_go(self, lane: Any) -> None:
        """Note that a lane's calculator is gone."""


class TimedLane(Protocol):
    """A lane, as the choice of its timed parts sees it."""

    calculator: Any
    recorder: RecordedRun
    components: Any

    def prepare(
        self, held: Sequence[Any]
    ) -> tuple[Sequence[Part] | None, Callable[[Any], dict[str, int]] | None]:
        """Return the parts and the counts of the calculator's integration."""

    def parts_of_term(self, calculator: Any) -> Sequence[Part] | None:
        """Return the parts that an integration names of a calculator inside this one."""

    def timed(self, parts: Sequence[Part], counts: Callable[[Any], dict[str, int]] | None) -> Any:
        """Return the components of the calculator's calls."""

    def regroup(self, groups: dict[str, str]) -> None:
        """Set the groups of the parts."""

    def note_absent(self, reason: str) -> None:
        """Note why parts are not timed."""

    def stored(self, name: str) -> Any:
        """Return an attribute stored in the calculator, or None."""
