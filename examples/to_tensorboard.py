"""Passes a recorded run to TensorBoard: python to_tensorboard.py run.jsonl.

Needs `pip install tensorboardX`; torch.utils.tensorboard has the same SummaryWriter. The run needs neither.
"""

import sys

from tensorboardX import SummaryWriter

from instrumented_calc import read_journal, report

path = sys.argv[1] if len(sys.argv) > 1 else "run.jsonl"
journal = read_journal(path)
found = report(path)
run = found.to_dict()["journals"][0]

with SummaryWriter("tensorboard") as writer:
    calls = journal.calls
    for row in range(0, len(calls), max(len(calls) // 500, 1)):
        writer.add_scalar("call/ms", calls.wall_ns[row] / 1e6, int(calls.index[row]))
    for state in journal.states:
        if isinstance(state.temperature_k, float):
            writer.add_scalar("state/temperature_K", state.temperature_k, state.index)
    for part in run["breakdown"]["parts"]:
        writer.add_scalar(f"seconds/{part['name']}", part["wall_ns"] / 1e9, 0)
    writer.add_text("report", "\n".join(f"    {line}" for line in found.text.splitlines()))
