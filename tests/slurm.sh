#!/usr/bin/env bash
# Runs a command with a Slurm cluster of one node, this machine, which ends with the command. Needs Debian's slurm-wlm
# and munge, and root:
#
#     tests/slurm.sh python -m pytest -m slurm
set -euo pipefail
host=$(hostname -s)
folder=$(mktemp -d)
chmod 755 "$folder"
mkdir "$folder"/{state,spool,munge}

end() { # the daemons by the ids that they wrote
    local file
    for file in "$folder"/{d,ctld,munge/munged}.pid; do
        if [ -s "$file" ]; then kill "$(cat "$file")" 2>/dev/null || true; fi
    done
    for _ in $(seq 50); do # a daemon removes its file at its end
        compgen -G "$folder/*.pid" > /dev/null || break
        sleep 0.1
    done
    rm -rf "$folder"
}
trap end EXIT

dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 status=none
chmod 400 "$folder/munge/key"
chown -R munge:munge "$folder/munge"
runuser -u munge -- munged --key-file "$folder/munge/key" --socket "$folder/munge/socket" --force \
    --pid-file "$folder/munge/munged.pid" --log-file "$folder/munge/log" --seed-file "$folder/munge/seed"

cat > "$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${SLURM_TEST_PORT:-17817}
SlurmdPort=$((${SLURM_TEST_PORT:-17817} + 1))
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/ctld.pid
SlurmdPidFile=$folder/d.pid
SlurmctldLogFile=$folder/ctld.log
SlurmdLogFile=$folder/d.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
ReturnToService=2
KillWait=2
OverTimeLimit=0
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk "/MemTotal/ {print int(\$2 / 1100)}" /proc/meminfo) State=UNKNOWN
PartitionName=p Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
# The second is for tests, which run without the variables of a batch system.
export SLURM_CONF="$folder/slurm.conf" TEST_CLUSTER="$folder/slurm.conf"
slurmctld
slurmd
for _ in $(seq 100); do
    [ "$(sinfo --noheader --format %T 2>/dev/null)" = idle ] && break
    sleep 0.2
done
sinfo || { cat "$folder"/*.log >&2; exit 1; }
"$@"
