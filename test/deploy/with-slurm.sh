#!/usr/bin/env bash
# Runs a command beside a real Slurm of one node with four GPUs that are not there, and a partition `high` that preempts `low`.
#   test/deploy/with-slurm.sh FOLDER COMMAND...      as root; FOLDER: state and logs, outside the repository
# Needs on Debian 12: apt-get install slurmctld slurmd slurm-client munge.
set -euo pipefail
[ "${NOISEFOLD_UNSHARED:-}" = yes ] || NOISEFOLD_UNSHARED=yes exec unshare --mount --pid --net --fork --kill-child --mount-proc "$0" "$@"

mkdir -p "$1"
folder=$(realpath "$1")
shift
host=$(hostname -s)
rm -rf "${folder:?}"/{state,spool}
mkdir -p "$folder"/{state,spool,log,bin}
ip link set lo up
# Slurm looks for addresses of kinds that the machine has, and loopback does not count.
ip link add noisefold0 type bridge
ip address add 192.0.2.1/24 dev noisefold0
ip link set noisefold0 up
mount -t tmpfs tmpfs /run
mkdir -p /run/munge /run/lock
mount -t tmpfs tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd

head -c 1024 /dev/urandom >"$folder/munge.key"
chown munge:munge "$folder/munge.key" /run/munge
chmod 600 "$folder/munge.key"
mount --bind "$folder/munge.key" /etc/munge/munge.key
su -s /bin/sh munge -c '/usr/sbin/munged --force'

# Slurm wants device nodes, and noisefold an nvidia-smi.
for i in 0 1 2 3; do [ -e "$folder/nvidia$i" ] || mknod "$folder/nvidia$i" c 195 "$i"; done
cat >"$folder/bin/nvidia-smi" <<'SMI'
#!/bin/sh
for i in 0 1 2 3; do
  uuid=GPU-${i}d5ba0d6-ebe8-4e69-8e8c-a1a1a1a1a1a$i
  case $1 in -L) echo "GPU $i: Pretended (UUID: $uuid)" ;; *) echo "$uuid, 80000, 81559" ;; esac
done
SMI
chmod +x "$folder/bin/nvidia-smi"

# cred_expire is also how long a requeued job waits before it may start again; usually two minutes.
cat >"$folder/slurm.conf" <<CONF
ClusterName=noisefold
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
PropagateResourceLimits=NONE
ReturnToService=2
# More cores than there may be.
SlurmdParameters=config_overrides
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=5,bf_interval=5,batch_sched_delay=1
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
NodeName=$host NodeAddr=127.0.0.1 CPUs=8 RealMemory=16000 Gres=gpu:4 State=UNKNOWN
PartitionName=low Nodes=$host Default=YES MaxTime=30 State=UP PriorityTier=1 GraceTime=2
PartitionName=high Nodes=$host MaxTime=30 State=UP PriorityTier=10
PartitionName=service Nodes=$host MaxTime=30 State=UP PriorityTier=10 PreemptMode=OFF
CONF
echo "Name=gpu File=$folder/nvidia[0-3]" >"$folder/gres.conf"
export SLURM_CONF="$folder/slurm.conf" PATH="$folder/bin:$PATH"
slurmctld -D -f "$SLURM_CONF" >"$folder/log/slurmctld.out" 2>&1 &
controller=$!
sleep 2
slurmd -D -f "$SLURM_CONF" >"$folder/log/slurmd.out" 2>&1 &
node=$!
for _ in $(seq 60); do
  if ! kill -0 "$controller" "$node"; then
    tail -n 5 "$folder"/log/slurm*.out >&2
    exit 1
  fi
  [ "$(sinfo -h -p low -o %t 2>/dev/null)" = idle ] && break
  sleep 0.5
done
code=0
"$@" || code=$?
scancel --user root 2>/dev/null || true
sleep 1
kill "$node" "$controller"
wait "$node" "$controller" 2>/dev/null || true
exit "$code"
