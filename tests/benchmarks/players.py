"""Processes that run blocks of a workload on request, one for each variant that is compared.

In one process the variants would share the interpreter's specialised bytecode, and each would spoil it for
the other. Processes differ by the luck of their memory layout, so all are made anew several times.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from multiprocessing import Pipe, get_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def cpu(block: Callable[[], None]) -> int:
    """Return the CPU time of the calling thread in a block, in ns."""
    start = time.thread_time_ns()
    block()
    return time.thread_time_ns() - start


class Player:
    """One variant in a process of its own.

    Args:
        block_of: Prepares the variant, in its process, and returns a block.
        play: What is answered, given the block; by default its CPU time.
    """

    def __init__(self, block_of: Callable[[], Callable[[], Any]], play: Callable[[Any], Any] = cpu) -> None:
        self._here, there = Pipe()
        self._process = get_context("fork").Process(
            target=self._play, args=(block_of, play, there), daemon=True
        )
        self._process.start()

    @staticmethod
    def _play(block_of: Callable[[], Callable[[], Any]], play: Callable[[Any], Any], there: Any) -> None:
        os.chdir(tempfile.mkdtemp())
        block = block_of()
        while (seconds := there.recv()) is not None:
            until = time.perf_counter() + seconds
            block()  # the caches hold the data of the last workload
            while time.perf_counter() < until:
                block()
            there.send(play(block))

    def ask(self, warm_up: float = 0) -> None:
        """Have a block played, after at least one other and so many seconds of them."""
        self._here.send(warm_up)

    def answer(self) -> int:
        """Return what was asked for.

        Raises:
            EOFError: The process has ended, with a traceback on standard error.
        """
        return self._here.recv()

    def cpu(self) -> int:
        """Have a block played, and return its CPU time in ns; errors as in `answer`."""
        self.ask()
        return self.answer()

    def stop(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):  # it may have ended already
            self._here.send(None)
        self._process.join()


def warmed(players: Iterable[Player], seconds: float) -> None:
    """Have all of them play for a while, side by side.

    In its first seconds a recorded run chooses what it times, and profiles steps more often than later.
    """
    asked = []
    for player in players:
        player.ask(seconds)
        asked.append(player)
    for player in asked:
        with contextlib.suppress(EOFError, OSError):  # its next answer says so again
            player.answer()
