#!/bin/sh
# SPDX-License-Identifier: MIT
# slurm.sh COMMAND...: runs it where there is a Slurm of one machine, this one, with four cores whatever it has: srun and sbatch
# find it, and it goes with the command. Needs root, slurmctld and slurmd (Debian: slurmctld slurmd slurm-client).
set -eu
if [ "${1:-}" != --inside ]; then
    for program in slurmctld slurmd srun sbatch; do
        command -v $program >/dev/null || { echo "no $program" >&2; exit 1; }
    done
    [ "$(id -u)" -eq 0 ] || { echo "slurmd wants root" >&2; exit 1; }
    dir=$(mktemp -d "${TMPDIR:-/tmp}/convnet-slurm.XXXXXX")
    trap 'rm -rf "$dir"' EXIT
    unshare --net --mount --pid --fork --kill-child --mount-proc "$(realpath "$0")" --inside "$dir" "$@" &
    trap 'kill -9 $!' INT TERM # unshare is deaf to others
    wait $!
    exit
fi

dir=$2 host=$(hostname -s)
shift 2
ip link set lo up
ip link add bridge type bridge # nothing is resolved where there is no address but the loopback's
ip addr add 10.78.0.1/24 dev bridge
ip link set bridge up
mkdir "$dir/state" "$dir/spool"
cat >"$dir/slurm.conf" <<END
ClusterName=one
SlurmctldHost=$host(10.78.0.1)
SlurmUser=root
AuthType=auth/none
CredType=cred/none
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
NodeName=$host NodeAddr=10.78.0.1 CPUs=4
PartitionName=main Nodes=ALL Default=YES State=UP
END
export SLURM_CONF="$dir/slurm.conf"
slurmctld -D >"$dir/slurmctld" 2>&1 &
slurmd -D >"$dir/slurmd" 2>&1 &
tries=0
until [ "$(sinfo -h -o %t 2>/dev/null)" = idle ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { tail -3 "$dir/slurmctld" "$dir/slurmd" >&2; exit 1; }
    sleep 0.1
done
"$@"
