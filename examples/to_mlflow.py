"""Passes a recorded run to MLflow: python to_mlflow.py run.jsonl.

Needs `pip install mlflow`; the run itself does not.
"""

import sys

import mlflow

from instrumented_calc import read_journal, report

path = sys.argv[1] if len(sys.argv) > 1 else "run.jsonl"
calls = read_journal(path).calls
run = report(path).to_dict()["journals"][0]

with mlflow.start_run(run_name=run["run"]["run_id"]):
    mlflow.log_param("calculator", run["lanes"][0]["lane"]["calculator"])
    mlflow.log_param("host", run["run"]["environment"]["host"])
    mlflow.log_metric("ns_per_day", run["speed"]["ns_per_day"])
    mlflow.log_metric("call_ms_median", run["latency"]["median_ns"] / 1e6)
    for part in run["breakdown"]["parts"]:
        mlflow.log_metric(f"seconds {part['name']}", part["wall_ns"] / 1e9)
    for row in range(0, len(calls), max(len(calls) // 500, 1)):
        mlflow.log_metric("call_ms", calls.wall_ns[row] / 1e6, step=int(calls.index[row]))
    flagged = [each["rule"] for each in run["findings"] if each["verdict"] == "flagged"]
    mlflow.set_tag("findings", ", ".join(flagged) or "none")
    mlflow.log_artifact(path)
