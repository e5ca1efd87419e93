#!/usr/bin/env bash
# How a job ends when a rank goes wrong: exit code, the message, and that it ends at all (the limit of `timeout` only
# bounds a hang). Usage: job_end_test.sh CHILD MPIEXEC
set -uo pipefail
child=$1 mpiexec=$2
export DDLS_JOB_END_TEST=$$  # marks all that is started here
DDLS_TEST_CALLS=$(mktemp -d)
export DDLS_TEST_CALLS
trap 'rm -rf "$DDLS_TEST_CALLS"' EXIT
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

# What every rank keeps of its collectives: kept NAME RANKS WHAT; `calls[rank]` is the file's content.
rm -f "$DDLS_TEST_CALLS"/*
kept() {
  if ! (cd "$DDLS_TEST_CALLS" && python3 - "$2" "$3") <<'PY'
import glob, json, sys
ranks, condition = set(json.loads(sys.argv[1])), sys.argv[2]
calls = {}
for name in glob.glob("collectives.rank*.json"):
    with open(name) as file:
        one = json.load(file)
    assert name == f"collectives.rank{one['rank']}.json" and one["schema"] == 1 and one["host"] and one["pid"] > 0, name
    calls[one["rank"]] = one
assert set(calls) == ranks, f"files of ranks {sorted(calls)}, wanted {sorted(ranks)}"
for one in calls.values():
    numbers = [call["number"] for call in one["collectives"]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers
assert eval(condition), {rank: [(c["number"], c["operation"], c["ended"]) for c in one["collectives"]] for rank, one in calls.items()}
PY
  then
    echo "FAILED  $1"
    failures=$((failures + 1))
  else
    echo "ok      $1"
  fi
  rm -f "$DDLS_TEST_CALLS"/*
}

expect "a rank never comes: where the collectives are" 71 "; the newest collectives of every rank are in $DDLS_TEST_CALLS/collectives.rank*.json" + "$mpiexec" -np 3 "$child" hang
kept "... the ranks that wait and the one that does not come" "[0, 1, 2]" \
  'all((c := calls[r]["collectives"][-1])["number"] == 2 and c["ended"] is None and c["type"] == "float32" and c["elements"] == 256 for r in (0, 1)) and calls[2]["collectives"][-1]["number"] == 1 and calls[2]["collectives"][-1]["ended"] >= calls[2]["collectives"][-1]["begun"] and len({o["collectives"][0]["fingerprint"] for o in calls.values()}) == 1'
expect "a rank stops: those that run keep theirs" 71 "rank 2 on $host gave no sign of life for" + "$mpiexec" -np 3 "$child" stop-together
rm -f "$DDLS_TEST_CALLS/collectives.rank2.json"  # mpirun lets it run again to end it, so it may have had the time
kept "... all but the one that is stopped" "[0, 1]" 'all(calls[r]["collectives"][-1]["operation"] == "together" for r in (0, 1))'
expect "a rank calls another collective" 71 "ranks make different collectives, at first call #2: rank 0: all_reduce (sum) of 256 float32, rank 1: broadcast with root 1 of 256 float32" 1 "$mpiexec" -np 2 "$child" other-call
kept "... and both say what they did" "[0, 1]" 'calls[0]["collectives"][1]["operation"] == "all_reduce" and calls[1]["collectives"][1]["operation"] == "broadcast" and calls[0]["collectives"][1]["fingerprint"] != calls[1]["collectives"][1]["fingerprint"] and "different collectives" in calls[0]["why"]'
expect "a rank of three sends another type" 71 "at first call #2: rank 0: all_reduce (sum) of 256 float32, rank 2: all_reduce (sum) of 256 int32" 1 "$mpiexec" -np 3 "$child" other-type
kept "... and all three say what they did" "[0, 1, 2]" 'calls[1]["collectives"][1]["fingerprint"] == calls[0]["collectives"][1]["fingerprint"]'
expect "a rank sends less" 71 "" + "$mpiexec" -np 2 "$child" other-size
rm -f "$DDLS_TEST_CALLS"/*
expect "a rank is killed while the others wait" 137 "rank 0 was told to end (SIGTERM) in all_reduce #2; the newest collectives of every rank are in" 1 "$mpiexec" -np 3 "$child" kill-late
kept "... who keep theirs" "[0, 1]" 'all(calls[r]["collectives"][-1]["ended"] is None for r in (0, 1))'
expect "a rank throws while the others wait: it has said why" 65 "told to end" 0 "$mpiexec" -np 3 "$child" throw-late
kept "... nobody keeps anything" "[]" 'True'
expect "a good end" 0 "error" 0 "$mpiexec" -np 3 "$child" good
kept "... leaves nothing" "[]" 'True'

left=$(grep -lz "^DDLS_JOB_END_TEST=$$\$" /proc/[0-9]*/environ 2>/dev/null | grep -v -e "/$$/" -e /self/)
for file in $left; do
  [[ $(readlink "${file%/environ}/exe") == "$(readlink -f "$child")" ]] || continue
  echo "FAILED  a rank is left behind: $file"
  failures=$((failures + 1))
done
exit $((failures > 0))
