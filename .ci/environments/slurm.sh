# shellcheck shell=bash
# A real Slurm of one node on loopback, in a copy of this machine: a hundred messages as a job array, ten at a time, of
# which some are requeued, killed and cancelled in the middle, and then repeated.
needs munged sbatch slurmctld slurmd
shellcheck --exclude=SC2016 "$EXAMPLES/array.sbatch"
serve FAKE_API_TAKES=1500
release
export URL BASE_URL TOKEN
cat > machine.sh << 'END'
set -euo pipefail
. "$ENVIRONMENTS/lib.sh"
tar -xzf "${URL#file://}" -C /usr/local --strip-components=1 --no-same-owner --wildcards "*/bin"
useradd --create-home ada

install -d -m 755 /run/slurm /run/slurm/state /run/slurm/spool
install -d -o munge -g munge -m 755 /run/munge
install -d -o munge -g munge -m 700 /etc/munge /var/log/munge /var/lib/munge
install -o munge -g munge -m 400 <(head -c 128 /dev/urandom) /etc/munge/munge.key
setpriv --reuid munge --regid munge --clear-groups munged
mkdir -p /etc/slurm
cat > /etc/slurm/slurm.conf << CONF
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
# A task that is requeued waits for as long as a credential may be good: by default two minutes.
AuthInfo=cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
StateSaveLocation=/run/slurm/state
SlurmdSpoolDir=/run/slurm/spool
SlurmctldPidFile=/run/slurm/slurmctld.pid
SlurmdPidFile=/run/slurm/slurmd.pid
SlurmctldLogFile=$WORK/slurmctld.log
SlurmdLogFile=$WORK/slurmd.log
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=100000,bf_interval=1
ReturnToService=2
KillWait=2
NodeName=localhost NodeAddr=127.0.0.1 CPUs=10 RealMemory=4000
PartitionName=all Nodes=localhost Default=YES State=UP
CONF
slurmctld -D > slurmctld.out 2>&1 &
slurmd -D -N localhost > slurmd.out 2>&1 &
idle() { sinfo --noheader --format=%t 2> /dev/null | grep -qx idle; }
within 60 idle

as_ada() {
    setpriv --reuid ada --regid ada --init-groups env -i HOME=/home/ada USER=ada SHELL=/bin/bash PATH="$PATH" \
        RELEVANCE_BASE_URL="$BASE_URL" "$@"
}
cd /home/ada
cp "$EXAMPLES/array.sbatch" .
for n in {1..100}; do echo "Write letter $n"; done > messages.txt
as_ada sh -c 'mkdir -p answers runs && (umask 077; cat > ~/.relevance-token)' <<< "$TOKEN"
submit() { as_ada sbatch --parsable --array=1-"$(grep -c '' messages.txt)%10" array.sbatch; }
answers() { find answers -type f | wc -l; }
on() { test "$(grep -c '' "runs/$1.run" 2> /dev/null)" = 2; }
state() { squeue --noheader --array --states=all --job "$job"_"$1" --format=%T 2> /dev/null; }
restarts() { scontrol show job "$job"_"$1" | grep -o 'Restarts=[0-9]*'; }
job=$(submit)
for task in 13 14 15; do within 60 on $task && as_ada scontrol requeue "${job}_$task"; done
for task in 23 24 25; do within 60 on $task && pkill -KILL --full "run-file runs/$task[.]run"; done
for task in 33 34 35; do within 60 on $task && as_ada scancel --signal=KILL --full "${job}_$task"; done
for task in 43 44; do within 60 on $task && as_ada scancel "${job}_$task"; done
empty() { test -z "$(squeue --noheader)"; }
within 180 empty
for task in 13 14 15 23 24 25; do
    test "$(restarts $task)" = Restarts=1 || fail "task $task: $(restarts $task)"
    test -e "answers/$task.txt" || fail "no answer to $task"
done
echo "after the array: $(answers) answers, $(triggers) runs started"
# The same command again: only lines without an answer are resumed.
submit > /dev/null
within 120 empty
echo "and the same again: $(answers) answers, $(triggers) runs started"
for n in {1..100}; do
    test "$(cat "answers/$n.txt")" = "You said: Write letter $n" || fail "answer $n"
done
triggered 100
test -z "$(sort "$WORK/triggers" | uniq -d)" || fail 'a message was sent twice'
END
on_a_copy_of_this_machine bash machine.sh
