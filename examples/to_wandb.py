"""Passes a recorded run to Weights & Biases: python to_wandb.py run.jsonl.

Needs `pip install wandb`; the run itself does not. With WANDB_MODE=offline it needs no network.
"""

import sys

import wandb

from instrumented_calc import read_journal, report

path = sys.argv[1] if len(sys.argv) > 1 else "run.jsonl"
calls = read_journal(path).calls
run = report(path).to_dict()["journals"][0]

about = {"calculator": run["lanes"][0]["lane"]["calculator"], "host": run["run"]["environment"]["host"]}
with wandb.init(project="md", name=run["run"]["run_id"], config=about) as tracked:
    for row in range(0, len(calls), max(len(calls) // 500, 1)):
        tracked.log({"call_ms": calls.wall_ns[row] / 1e6}, step=int(calls.index[row]))
    tracked.summary["ns_per_day"] = run["speed"]["ns_per_day"]
    tracked.summary["call_ms_median"] = run["latency"]["median_ns"] / 1e6
    for part in run["breakdown"]["parts"]:
        tracked.summary[f"seconds {part['name']}"] = part["wall_ns"] / 1e9
    flagged = [each["rule"] for each in run["findings"] if each["verdict"] == "flagged"]
    tracked.summary["findings"] = ", ".join(flagged) or "none"
