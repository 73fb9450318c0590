#!/usr/bin/env bash
# A private SLURM on this machine, for the tests: a controller, node c1 (partition cpu) and node g1 (partition gpu, two
# stand-in GPUs). As root, without systemd or accounting; `down` stops exactly what `up` started.
#   cluster.sh up|down FOLDER [CPUS]    CPUS: processors that each node pretends to have
set -euo pipefail

action=${1:?up or down}
state=$(realpath -m "${2:?a folder for its state}")
cpus=${3:-8}
host=$(hostname -s)
daemons=(slurmctld slurmd-c1 slurmd-g1 munged) # as they are to be stopped
configuration=/etc/slurm                       # SLURM_CONF does not reach all that runs inside a job: see docs/slurm.md
unset SLURM_CONF

write_configuration() {
    cat >"$state/slurm.conf" <<CONF
ClusterName=howlow
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
AuthType=auth/munge
AuthInfo=socket=$state/munge.socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$state/saved
SlurmdSpoolDir=$state/spool-%n
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd-%n.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/slurmd-%n.log
MailProg=/bin/true
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$state/completed.txt
DefMemPerCPU=500
MinJobAge=3600
KillWait=5
ReturnToService=2
GresTypes=gpu
NodeName=c1 NodeHostname=$host NodeAddr=127.0.0.1 Port=16818 CPUs=$cpus RealMemory=16000
NodeName=g1 NodeHostname=$host NodeAddr=127.0.0.1 Port=16819 CPUs=$cpus RealMemory=16000 Gres=gpu:a100:2
PartitionName=cpu Nodes=c1 Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=g1 MaxTime=INFINITE State=UP
CONF
    echo "NodeName=g1 Name=gpu Type=a100 File=$state/gpu[0-1]" >"$state/gres.conf"
}

up() {
    if [ -e "$configuration/slurm.conf" ]; then
        echo "cluster.sh: $configuration/slurm.conf is there: this machine belongs to a cluster" >&2
        exit 2
    fi
    trap '[ $? = 0 ] || down' EXIT # whatever of it did start
    rm -rf "$state"
    mkdir -p "$state"/saved "$state"/spool-{c1,g1} "$configuration"
    chmod 755 "$state"
    (umask 077 && head -c 1024 /dev/urandom >"$state/munge.key")
    mknod "$state/gpu0" c 1 3 # as /dev/null
    mknod "$state/gpu1" c 1 3
    write_configuration
    ln -s "$state"/{slurm,gres}.conf "$configuration/"
    munged --socket="$state/munge.socket" --key-file="$state/munge.key" --pid-file="$state/munged.pid" \
        --log-file="$state/munged.log" --seed-file="$state/munged.seed"
    slurmctld
    slurmd -N c1
    slurmd -N g1
    for _ in $(seq 150); do
        states=$(timeout 2 sinfo --noheader --format=%T 2>/dev/null | sort -u) || states=
        [ "$states" = idle ] && return
        sleep 0.1
    done
    echo "cluster.sh: the nodes are '${states:-not answering}'" >&2
    grep -hE 'fatal|error' "$state"/*.log >&2 || true
    exit 1
}

down() {
    set +e
    if [ -e "$state/slurmctld.pid" ]; then
        timeout 5 scancel --user=root
        for _ in $(seq 60); do
            [ -z "$(timeout 2 squeue --noheader)" ] && break
            sleep 0.25
        done
    fi
    for daemon in "${daemons[@]}"; do
        start-stop-daemon --stop --quiet --oknodo --retry TERM/15/KILL/5 --remove-pidfile \
            --pidfile "$state/$daemon.pid" --name "${daemon%%-*}"
    done
    for file in slurm.conf gres.conf; do
        [ "$(readlink "$configuration/$file")" = "$state/$file" ] && rm "$configuration/$file"
    done
    return 0
}

"$action"
