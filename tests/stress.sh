#!/usr/bin/env bash
# Runs a command, by default the tests, while two busy loops a core compete with it for the processors.
#
#     tests/stress.sh [COMMAND [ARGUMENTS ...]]
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=$root/.venv/bin/python
[ -x "$python" ] || python=$(command -v python3)
[ $# -gt 0 ] || { cd "$root" && set -- "$python" -m pytest; }

loops=()
end_loops() { [ ${#loops[@]} -eq 0 ] || kill "${loops[@]}" 2>/dev/null; }
trap end_loops EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# each loop looks whether this script is still there: even kill -9 leaves none behind
for _ in $(seq $((2 * $(nproc)))); do
    bash -c 'while kill -0 "$1" 2>/dev/null; do for ((i = 0; i < 100000; i++)); do :; done; done' loop $$ &
    loops+=($!)
done
"$@"
