"""Requests by touching a file cost a small share of the time, however often they are repeated."""

import time
from pathlib import Path

from instrumented_calc.capture.run.touch_requests import LOOK_EVERY_NS, RAREST_LOOK_NS, SHARE, Requests


def test_an_expensive_answer_delays_the_next_one():
    requests, answered = Requests(None, None, lambda: Path("run.jsonl"), None), []

    def answer(journal, now):
        answered.append(now)
        began = time.perf_counter()
        while time.perf_counter() - began < 0.05:
            pass

    requests._answer = answer
    rounds = range(0, RAREST_LOOK_NS + 2 * LOOK_EVERY_NS, LOOK_EVERY_NS)
    for now in rounds:
        requests.look(now)
    assert answered[0] == 0
    assert 2 <= len(answered) <= 1 + rounds[-1] // (SHARE * 50_000_000)
