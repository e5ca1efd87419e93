#!/usr/bin/env bash
# How a job ends when a rank goes wrong: exit code, the message, and that it ends at all (the limit of `timeout` only
# bounds a hang). Usage: job_end_test.sh CHILD MPIEXEC
set -uo pipefail
child=$1 mpiexec=$2
export DDLS_JOB_END_TEST=$$  # marks all that is started here
failures=0

# expect NAME CODE TEXT TIMES COMMAND...: the output has TEXT in so many lines (+: at least one).
expect() {
  local name=$1 code=$2 text=$3 times=$4
  shift 4
  local output rc count
  output=$(timeout -k 5 60 "$@" 2>&1)
  rc=$?
  count=$(grep -c -F -- "$text" <<<"$output")
  if [[ $rc -eq $code && ($times == + && $count -gt 0 || $count == "$times") ]]; then
    echo "ok      $name"
  else
    echo "FAILED  $name: exit code $rc, wanted $code; '$text' in $count lines, wanted $times"
    sed 's/^/        | /' <<<"$output"
    failures=$((failures + 1))
  fi
}

expect "a good end" 0 "error" 0 "$mpiexec" -np 3 "$child" good
expect "one rank throws, the others wait" 65 "the file is damaged" 1 "$mpiexec" -np 3 "$child" throw
expect "a foreign exception" 70 "nobody expects this" 1 "$mpiexec" -np 3 "$child" throw-foreign
expect "an exception unwinds past Environment" 70 "rank 2 ends the job" 1 "$mpiexec" -np 3 "$child" unwind
expect "all ranks throw together: one message" 66 "no such file" 1 "$mpiexec" -np 3 "$child" together
expect "a rank is killed" 137 "signal 9" + "$mpiexec" -np 3 "$child" kill
expect "a rank hangs: the watchdog names the operation" 71 "hung in all_reduce #2, 1 KiB" + "$mpiexec" -np 2 "$child" hang
host=$(hostname)
expect "a rank hangs: it is named" 71 "rank 1 on $host is alive but has not come: it works behind all_reduce #1" + "$mpiexec" -np 2 "$child" hang
expect "a rank stops while others wait patiently" 71 "rank 2 on $host gave no sign of life for" + "$mpiexec" -np 3 "$child" stop-together
expect "rank 0 stops while others wait patiently" 71 "rank 0 on $host gave no sign of life for" + "$mpiexec" -np 3 "$child" stop-on-root
expect "a rank stops while nobody waits" 71 "rank 2 on $host gave no sign of life for" + "$mpiexec" -np 3 "$child" stop-alone
expect "a rank takes its time, and the watchdog tells" 0 "has waited 3 s in together #2: rank 1 on $host is alive but has not come: it works behind all_reduce #1" + "$mpiexec" -np 2 "$child" busy
expect "a rank never comes to MPI" 71 "rank 0 hung in MPI_Init #1" + "$mpiexec" -np 2 "$child" late
expect "a rank stops after the last collective" 71 "rank 0 hung in MPI_Finalize #1" + "$mpiexec" -np 2 "$child" stop-at-end
expect "all stop" 75 "error:" 0 "$mpiexec" -np 2 "$child" stopped
expect "tasks that are not one MPI job (Slurm)" 78 "SLURM_NTASKS is 4, but MPI sees 1 rank" 1 env SLURM_NTASKS=4 "$child" good
expect "tasks that are not one MPI job (another MPI)" 78 "PMI_SIZE is 2" 1 env PMI_SIZE=2 "$child" good
expect "mpirun inside a larger Slurm allocation" 0 "error" 0 env SLURM_NTASKS=4 "$mpiexec" -np 2 "$child" good
expect "one rank without mpirun" 0 "error" 0 "$child" good
left=$(grep -lz "^DDLS_JOB_END_TEST=$$\$" /proc/[0-9]*/environ 2>/dev/null | grep -v -e "/$$/" -e /self/)
for file in $left; do
  [[ $(readlink "${file%/environ}/exe") == "$(readlink -f "$child")" ]] || continue
  echo "FAILED  a rank is left behind: $file"
  failures=$((failures + 1))
done
exit $((failures > 0))
